package import SnapshotModel

/// What can be asked of an open volume, as a value that can be sent to the process that has it open.
/// Its form on the wire is that of the coding keys.
package enum VolumeRequest: Hashable, Sendable, Codable {
    case status
    /// What the process that has the volume open has found; cheap, which ``status`` is not.
    case warnings
    /// The snapshots that somebody reads, and that are not deleted therefore.
    case openSnapshots

    /// Takes one snapshot: prepare, hold, commit and release at once.
    case snapshot(SnapshotRequest)

    // The same in steps, for snapshots and reverts of several volumes at one instant.
    /// Makes ready what takes long, while writes go on.
    case prepareSnapshot(SnapshotRequest)
    case prepareRevert(RevertRequest)
    /// Flushes the origin and keeps all I/O waiting, for as long as `milliseconds` at most.
    case holdIO(milliseconds: Int)
    /// Makes the prepared snapshot or revert durable, within the hold.
    case commit
    /// Takes back what this session committed within the present hold.
    case rollBack
    /// Lets I/O go on.
    case releaseIO

    case previewRevert(SnapshotID)
    case revert(RevertRequest)
    // Requests of their own, so that an older server refuses them: it would leave out the clone.
    /// What a revert would do that takes a clone's content, too.
    case previewRevertWith(SnapshotID, clone: CloneUse)
    case revertWith(RevertRequest, clone: CloneUse)
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
    /// Writes anew what people wrote on a snapshot.
    case label(SnapshotID, SnapshotLabels)
    /// Writes a snapshot's content to a new file; sends progress.
    case export(SnapshotID, path: String)
    /// Reads bytes of a snapshot, or of the volume as it is when none is named. The session keeps the snapshot
    /// open, so that it is not deleted meanwhile.
    case read(SnapshotID?, offset: Int, count: Int)
    /// Where a snapshot has data, and where holes; as many stretches as one answer holds. It stays open as of
    /// ``read(_:offset:count:)``.
    case extents(SnapshotID, offset: Int, count: Int)
    case resize(bytes: Int)
    /// Makes a writable layer over a snapshot.
    case createClone(CloneRequest)
    /// The same of another shape: a clone of a clone, a larger one, one to be read alone. A request of its own, so
    /// that an older server refuses it.
    case createCloneAs(CloneRequest, CloneShape)
    /// Whether a clone can be made.
    case previewCreateClone(CloneRequest, CloneShape)
    /// What deleting a clone would free.
    case previewDeleteClone(String)
    case deleteClone(String)
    /// Writes a clone's content to a new file; sends progress. With `holds`, nobody writes to the clone until the
    /// session deletes it or ends.
    case exportClone(String, path: String, holds: Bool)
    /// Reads bytes of a clone as it is now, which stays open for the session.
    case readClone(String, offset: Int, count: Int)

    /// Who has the volume open for writing.
    case clients
    /// From now on this session changes the volume's content under its clients, too.
    case overruleClients
    /// Has the server let the volume go, soon.
    case letGo

    private enum CodingKeys: String, CodingKey {
        case status, warnings, openSnapshots, snapshot, prepareSnapshot, prepareRevert,
            holdIO = "hold", commit,
            rollBack,
            releaseIO = "release", previewRevert, revert, previewRevertWith, revertWith,
            mergeStatus, pauseMerge, resumeMerge,
            throttleMerge, cancelMerge, waitForMerge, previewDelete, delete, collect, label,
            export, read, extents, resize, createClone, createCloneAs, previewCreateClone,
            previewDeleteClone, deleteClone, exportClone, readClone, clients,
            overruleClients, letGo
    }
}

extension VolumeRequest {
    /// Whether it does no work on the disk to speak of.
    package var onlyLooks: Bool {
        switch self {
        case .status, .warnings, .openSnapshots, .mergeStatus, .pauseMerge, .resumeMerge,
            .throttleMerge, .rollBack,
            .releaseIO,
            .clients, .overruleClients, .previewCreateClone, .previewDeleteClone:
            true
        case .snapshot, .prepareSnapshot, .prepareRevert, .holdIO, .commit, .previewRevert, .revert,
            .previewRevertWith, .revertWith,
            .cancelMerge, .waitForMerge, .previewDelete, .delete, .collect, .label, .export,
            .read, .extents, .resize, .createClone, .createCloneAs, .deleteClone, .exportClone,
            .readClone,
            .letGo:
            false
        }
    }
}

/// The answers, one for each request that succeeds.
package enum VolumeReply: Hashable, Sendable, Codable {
    case done
    case status(VolumeStatus)
    case warnings([Advice])
    case openSnapshots([SnapshotID])
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
    case content(VolumeContent)
    case extents([Extent])
    case volume(VolumeRecord)
    case clients(ClientPresence?)
    case clone(CloneRecord)
    /// A clone that is deleted, or would be, and what that frees.
    case cloneDeleted(bytes: Int)
}
