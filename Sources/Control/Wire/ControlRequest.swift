package import SnapshotModel

/// What can be asked of the one process that has a volume open. One connection is one session: what
/// it prepared or holds is undone when it ends, so that a killed client leaves no held volume.
package enum ControlRequest: Hashable, Sendable, Codable {
    case status

    /// Takes one snapshot: prepare, hold, commit and release at once.
    case snapshot(SnapshotRequest)

    // The same in steps, for snapshots and reverts of several volumes at one instant.
    /// Makes ready what takes long, while writes go on.
    case prepareSnapshot(SnapshotRequest)
    case prepareRevert(RevertRequest)
    /// Flushes the origin and keeps all I/O waiting, for as long as `milliseconds` at most.
    case hold(milliseconds: Int)
    /// Makes the prepared snapshot or revert durable, within the hold.
    case commit
    /// Takes back what this session committed within the present hold.
    case rollBack
    /// Lets I/O go on.
    case release

    case previewRevert(SnapshotID)
    case revert(RevertRequest)
    case mergeStatus
    case pauseMerge
    case resumeMerge
    /// Limits the merge to so many bytes per second; nil lifts the limit.
    case throttleMerge(bytesPerSecond: Int?)
    /// Back to the safety snapshot, dropping what was written since.
    case cancelMerge(RevertID)
    /// Answers when no merge runs; sends progress until then.
    case waitForMerge

    case previewDelete([SnapshotID])
    /// Marks as deleted; the bytes are freed in the background, or by `collect`.
    case delete([SnapshotID])
    case collect
    /// Writes a snapshot's content to a new file; sends progress.
    case export(SnapshotID, path: String)
    case resize(bytes: Int)

    /// Who has the volume open for writing.
    case clients
    /// From now on this session changes the volume's content under its clients, too.
    case overruleClients
    /// Has the server let the volume go, soon.
    case letGo
}

extension ControlRequest {
    /// Whether it does no work on the disk to speak of.
    var onlyLooks: Bool {
        switch self {
        case .status, .mergeStatus, .pauseMerge, .resumeMerge, .throttleMerge, .rollBack, .release,
            .clients, .overruleClients:
            true
        case .snapshot, .prepareSnapshot, .prepareRevert, .hold, .commit, .previewRevert, .revert,
            .cancelMerge, .waitForMerge, .previewDelete, .delete, .collect, .export, .resize,
            .letGo:
            false
        }
    }
}

/// The answers, one for each request that succeeds.
package enum ControlReply: Hashable, Sendable, Codable {
    case done
    case status(VolumeStatus)
    case snapshot(SnapshotOutcome)
    /// A commit's result: what was taken, and what was reverted.
    case committed(snapshot: SnapshotOutcome?, revert: RevertOutcome?)
    case released(heldNanoseconds: Int64)
    case preview(RevertPreview)
    case reverted(RevertOutcome)
    case merge(MergeProgress?)
    case deleted(DeleteReport)
    case collected(CollectReport)
    case exported(bytes: Int)
    case volume(VolumeRecord)
    case clients(ClientPresence?)
}

/// One line from the server: any number of `progress` and `working`, then `reply` or `problem`.
package enum ControlMessage: Hashable, Sendable, Codable {
    case progress(TransferProgress)
    case reply(ControlReply)
    case problem(Problem)
    /// A sign of life, for clients that have asked for it.
    case working
}

/// The one way to act on a volume: directly when this process has it open, else through the
/// control socket of the process that has.
package protocol VolumeSession: AnyObject {
    /// Whether another process, or the kernel, serves the volume, so that a merge goes on without us.
    var isServed: Bool { get }

    /// What opening the volume here has found; empty when another process has it open, which keeps
    /// its own for `status`.
    var warnings: [String] { get }

    /// Performs a request; a failure is always a `Problem`.
    func perform(
        _ request: ControlRequest, onProgress: (TransferProgress) -> Void
    ) throws(Problem) -> ControlReply

    /// Ends the session; what it prepared or holds is undone.
    func close()
}

extension VolumeSession {
    package func perform(_ request: ControlRequest) throws(Problem) -> ControlReply {
        try perform(request) { _ in }
    }

    /// Who has the volume open for writing; nil when nobody has.
    package func clients() throws(Problem) -> ClientPresence? {
        guard case .clients(let presence) = try performIfKnown(.clients) else { return nil }
        return presence
    }

    /// Has the changes to come done whoever has the volume open.
    package func overruleClients() throws(Problem) { _ = try performIfKnown(.overruleClients) }

    /// A server of an older version neither counts clients nor cares for them; nil then.
    private func performIfKnown(_ request: ControlRequest) throws(Problem) -> ControlReply? {
        do throws(Problem) { return try perform(request) } catch {
            guard error.code == .usage else { throw error }
            return nil
        }
    }
}
