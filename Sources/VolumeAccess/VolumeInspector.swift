package import SnapshotModel

/// A look at a volume without a lock: nothing is changed, nothing that is half done is finished. What
/// it tells may be over by the time it is read.
///
/// A look ends with `io`, `missing`, `corrupt` or `newer_version` when what it must read cannot be read, and
/// with `locked` when a server does not answer in time; what is not there is never taken for an error.
package protocol VolumeInspector {
    /// Whether somebody has the volume open, or it is up by itself: a merge can run.
    var isInUse: Bool { get throws(Problem) }

    /// How the volume is, when neither its store nor its snapshots have anything more to tell.
    func state(isMerging: Bool) throws(Problem) -> VolumeCondition

    /// What users mount; nil where there is no such thing.
    var devicePath: String? { get }

    /// Whether the kernel has any device of the volume, also of one that is only half up.
    var hasDevices: Bool { get throws(Problem) }

    /// Why the volume's content cannot be changed because the kernel's users have it open, naming
    /// them; nil when they have not. Clients of a server are its own to tell.
    func openProblem() throws(Problem) -> Problem?

    /// Why I/O of the volume waits that snapmgr does not hold; nil when it does not.
    func suspensionProblem() throws(Problem) -> Problem?

    /// Snapshots that have lost exceptions without anybody having noted it, ascending.
    func lostSnapshots() throws(Problem) -> [SnapshotOrdinal]

    /// How far the merge is that runs or waits; nil when there is none.
    ///
    /// - Parameter now: by the clock that wrote when it began.
    func mergeProgress(at now: Timestamp) throws(Problem) -> MergeProgress?

    /// What the process that has the volume open has found, and keeps for those who ask.
    func serverWarnings() throws(Problem) -> [Advice]

    /// The stream that is written into the volume, or was when it was cut; nil when its content is whole.
    func receiving() throws(Problem) -> ReceiveNote?

    /// Of a volume whose store has no areas: the chunks that were written since a snapshot was taken, up to the
    /// next one that there is, or until now. Where a chunk lies says nothing.
    ///
    /// - Throws: `not_found` when there is no such snapshot.
    func changes(since ordinal: SnapshotOrdinal) throws(Problem) -> ChunkMap

    /// How QEMU's programs name a snapshot that they read without a server of ours, as a file name of theirs; nil
    /// where one is needed.
    func contentAddress(_ manifest: SnapshotManifest) throws(Problem) -> String?

    /// What is wrong with that of the volume which lies neither in its store nor in a file.
    func findings() throws(Problem) -> [Finding]
}

extension VolumeInspector {
    /// None, where areas tell.
    package func changes(since ordinal: SnapshotOrdinal) throws(Problem) -> ChunkMap {
        throw Problem(.notFound, "what has changed since snapshot \(ordinal) is in its area")
    }

    /// A server is needed, where nothing else is said.
    package func contentAddress(_ manifest: SnapshotManifest) throws(Problem) -> String? { nil }

    /// None, where all lies in a store and a file.
    package func findings() throws(Problem) -> [Finding] { [] }

    /// None, where a driver receives none.
    package func receiving() throws(Problem) -> ReceiveNote? { nil }

    /// ``suspensionProblem()`` as one line.
    package func suspensionWarning() throws(Problem) -> Advice? {
        try suspensionProblem()?.sentence
    }
}

/// How a volume is at the moment.
package enum VolumeCondition: String, Sendable, CaseIterable {
    /// An image that nobody has open.
    case idle
    /// An image that a server, or a command, has open.
    case served
    /// Under device-mapper, and its device is there.
    case active
    /// Under device-mapper, and its device is not there.
    case inactive
    /// A revert's merge is not done yet.
    case merging
    /// Some of its snapshots lost exceptions.
    case broken
    /// Its store or origin cannot be read.
    case missing
}
