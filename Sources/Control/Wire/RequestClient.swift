package import SnapshotModel

/// The one who waits for a request's answer: hears of progress meanwhile, and may go away.
package protocol RequestClient {
    /// Whether nobody waits for the answer any more; long requests then stop.
    var isGone: Bool { get }

    func report(_ progress: TransferProgress)
}
