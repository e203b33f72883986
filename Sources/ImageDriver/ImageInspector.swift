internal import System
internal import Control
internal import StoreFormat
internal import SnapshotModel
internal import VolumeAccess

/// A look at an image: whether its store's lock is taken, what its server says, what its store holds.
struct ImageInspector: VolumeInspector {
    private let place: VolumePlace

    init(_ place: VolumePlace) { self.place = place }

    private var folder: FileFolder { FileFolder(path: place.storePath) }

    var isInUse: Bool {
        get throws(Problem) {
            try doing { () throws(IOFailure) in
                try FileLock.isHeld(StoreHolder.fileName, in: folder)
            }
        }
    }

    func state(isMerging: Bool) throws(Problem) -> VolumeCondition {
        isMerging ? .merging : try isInUse ? .served : .idle
    }

    var devicePath: String? { nil }
    var hasDevices: Bool { false }
    func openProblem() throws(Problem) -> Problem? { nil }
    func suspensionProblem() throws(Problem) -> Problem? { nil }

    func lostSnapshots() throws(Problem) -> [SnapshotOrdinal] { [] }

    func receiving() throws(Problem) -> ReceiveNote? { try Store(folder: folder).receiveNote() }

    /// As the server says; else from the store: a command that has the volume open merges, too, but
    /// gives no answers.
    func mergeProgress(at now: Timestamp) throws(Problem) -> MergeProgress? {
        let reader = try StoreReader(folder: folder)
        guard let revert = try reader.revert() else { return nil }
        let isInUse = try isInUse
        if isInUse,
            let progress = try fromServer({ session throws(Problem) in
                try session.mergeProgress()
            })
        {
            return progress
        }
        let (running, limits) = (revert.record, revert.limits)
        let counted: Int? =
            if let known = revert.mergedChunks { known } else {
                try mergedCount(of: running, reader)
            }
        guard let merged = counted else { return try mergeProgress(at: now) }
        let chunkBytes = reader.record.geometry.chunkBytes
        return MergeProgress(
            revertID: running.id, targetID: running.targetID,
            safetyID: running.tookSafetySnapshot ? running.safetyID : nil,
            mergedBytes: merged.multipliedClamped(by: chunkBytes),
            planBytes: running.planBytes(chunkBytes: chunkBytes), preservedBytes: 0, rate: 0,
            state: isInUse && !limits.isPaused ? .merging : .paused,
            bytesPerSecondLimit: limits.bytesPerSecond)
    }

    /// A journal that is damaged is read again, to say how. Nil when the merge has ended meanwhile.
    private func mergedCount(
        of revert: RevertRecord, _ reader: StoreReader
    ) throws(Problem) -> Int? {
        do throws(Problem) { return try reader.mergedChunks(of: revert).count } catch {
            guard try reader.isRunning(revert) else { return nil }
            throw error
        }
    }

    func serverWarnings() throws(Problem) -> [Advice] {
        try fromServer { session throws(Problem) in try session.serverWarnings() } ?? []
    }

    /// Nil when no server answers.
    private func fromServer<Answer>(
        _ ask: (RemoteSession) throws(Problem) -> Answer?
    ) throws(Problem) -> Answer? {
        guard let session = try RemoteSession.connect(storePath: place.storePath) else {
            return nil
        }
        defer { session.close() }
        return try ask(session)
    }
}
