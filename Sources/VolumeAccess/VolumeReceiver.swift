package import SnapshotModel

/// A volume that this process alone has open, to write a stream into it. What is overwritten is preserved, so that
/// its snapshots stay whole; what a stream that does not come to its end has changed is taken back, here or by
/// whoever opens the volume next. One thread uses it.
///
/// Calls end with `io`, and with `no_space` when store or origin are full; after either the stream is taken back.
package protocol VolumeReceiver: AnyObject {
    /// The volume's record as it is now.
    var record: VolumeRecord { get }
    /// The snapshots that can be read, by ordinal.
    var snapshots: [SnapshotManifest] { get }
    /// What opening the volume has found.
    var warnings: [Advice] { get }
    /// The stream of which a volume without snapshots holds a part.
    var halfReceived: ReceiveNote? { get }

    /// Whether nothing is in the volume.
    func isBlank() throws(Problem) -> Bool
    /// Whether the volume reads as one of its snapshots.
    func isUnchanged(since snapshot: SnapshotManifest) throws(Problem) -> Bool

    /// Notes, durably, which snapshot is written from now on.
    ///
    /// - Parameters:
    ///   - volume: the UUID of the volume that sends it.
    ///   - snapshot: its own.
    ///   - base: the snapshot here that it builds on; nil when all of it comes.
    /// - Throws: `refused` while a merge runs, and where it could not be taken back.
    func begin(volume: String, snapshot: String, base: SnapshotManifest?) throws(Problem)
    /// Goes on with a snapshot of which the volume holds a part: the parameters are those of ``begin(volume:snapshot:base:)``.
    ///
    /// - Parameter offset: up to where, in bytes of the volume, all is there.
    /// - Throws: `refused` when it does not hold as much.
    func resume(
        volume: String, snapshot: String, base: SnapshotManifest?, at offset: Int
    ) throws(Problem)
    /// Notes, when it is durable, that all that comes before a place in the volume is there.
    func mark(upTo offset: Int) throws(Problem)
    /// Reads what has come of a stream that may go on.
    ///
    /// - Throws: `refused` behind its mark.
    func readReceived(into buffer: inout MutableRawSpan, at offset: Int) throws(Problem)
    /// The first stretch of a range in which there may be other bytes than zeroes; nil when there is none.
    func firstReceived(in range: Range<Int>) throws(Problem) -> Range<Int>?
    /// Preserves at once what is overwritten next.
    ///
    /// - Throws: `no_space` when that cannot be: nothing is given up for it.
    func prepare(data: [Range<Int>], zeroes: [Range<Int>]) throws(Problem)
    func write(_ bytes: RawSpan, at offset: Int) throws(Problem)
    /// Has a range of any length read as zeroes, and take no space where that is possible.
    func zero(_ range: Range<Int>) throws(Problem)
    /// Takes the snapshot that has been written; durable, with its content, when it returns.
    func take(_ request: SnapshotRequest) throws(Problem) -> SnapshotOutcome
    /// Gives the volume back what it was at the beginning.
    func takeBack() throws(Problem)

    /// Goes on with sealing what has frozen: so that bits that a disk flips are known where nobody serves the volume.
    ///
    /// - Returns: whether there may be more to do.
    func sealStep() throws(Problem) -> Bool

    func close()
}

extension VolumeReceiver {
    /// Nothing, where a driver has no seals.
    package func sealStep() throws(Problem) -> Bool { false }
}

extension VolumeDriver {
    /// Refused, where a driver cannot.
    package func receiver(of place: VolumePlace) throws(Problem) -> any VolumeReceiver {
        throw Problem(
            .refused,
            "volume \(place.name) is \(traits.noun), into which no stream is received",
            hint: "receive it into a volume of its own: name one that is not there, with --origin "
                + "PATH")
    }
}
