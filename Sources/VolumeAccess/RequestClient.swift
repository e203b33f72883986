package import SnapshotModel

/// The one who waits for a request's answer: hears of progress meanwhile, and may go away.
package protocol RequestClient {
    /// Whether nobody waits for the answer any more; long requests then stop.
    var isGone: Bool { get }

    func report(_ progress: TransferProgress)
}

/// The caller in this process, who does not go away.
package struct LocalClient: RequestClient {
    private let onProgress: (TransferProgress) -> Void

    package init(onProgress: @escaping (TransferProgress) -> Void) {
        self.onProgress = onProgress
    }

    /// Never: it waits.
    package var isGone: Bool { false }

    /// Passes the progress on.
    package func report(_ progress: TransferProgress) { onProgress(progress) }
}
