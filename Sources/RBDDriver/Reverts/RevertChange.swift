internal import System
internal import SnapshotModel
internal import StoreFormat

/// Begins reverts of an image: the journal in the pool, and the record in the store, with which it counts.
struct RevertChange {
    private let volume: RBDVolume

    init(_ volume: RBDVolume) { self.volume = volume }

    func prepare(_ request: RevertRequest) throws(Problem) {
        guard try !volume.store.exists(StoreLayout.revertFolder(request.id)) else {
            throw Problem(
                .exists, "revert \(request.id) of volume \(volume.name) exists already",
                hint: "run \(.catalogRebuild)")
        }
        try volume.changeRecord { $0.idFloor.revert = max($0.idFloor.revert, request.id) }
        _ = try volume.store.createRevertFolder(
            request.id, chunkBytes: volume.record.geometry.chunkBytes)
    }

    /// With the image's lock: what differs does not change any more.
    func commit(
        _ request: RevertRequest, _ target: SnapshotManifest, safety: SnapshotManifest?
    ) throws(Problem) -> ImageRevert {
        let bytes = try volume.image.byteCount()
        let differing = try volume.image.changes(
            since: volume.snapshotName(target.ordinal), in: 0..<bytes)
        let plan = ByteRanges(unordered: differing).byteCount
        let record = try record(request, target, safety: safety, planBytes: plan)
        let revert = ImageRevert(
            volume: volume.record.uuid, image: try volume.image.identity(), record: record,
            imageBytes: bytes, planBytes: plan, client: volume.connection.instance,
            address: try volume.image.lockOwner() ?? "", boot: RBDVolume.boot)
        try volume.setRevert(revert)
        try volume.store.writeRevert(record)
        volume.differing = differing
        return revert
    }

    private func record(
        _ request: RevertRequest, _ target: SnapshotManifest, safety: SnapshotManifest?,
        planBytes: Int
    ) throws(Problem) -> RevertRecord {
        guard let newest = safety ?? volume.state.newest else {
            throw Problem(.notFound, "volume \(volume.name) has no snapshots")
        }
        let chunkBytes = volume.record.geometry.chunkBytes
        let displaced = volume.state.revert?.record.tookSafetySnapshot ?? false
        return RevertRecord(
            id: request.id, target: target.ordinal, targetID: target.id, safety: newest.ordinal,
            safetyID: newest.id, tookSafetySnapshot: safety != nil || displaced,
            safetyEntryCount: 0,
            planChunkCount: planBytes.addingClamped(chunkBytes - 1) / chunkBytes,
            startedAt: volume.clock.now())
    }

    /// Takes back a revert of which nothing was copied yet.
    func undo(_ id: RevertID) throws(Problem) {
        volume.differing = nil
        _ = try volume.store.removeRevert(id)
        guard let revert = volume.revert, revert.record.id == id else { return }
        try volume.removeRevert()
    }
}

extension ImageRevert {
    /// - Parameter isMoving: whether somebody copies just now.
    func progress(_ limits: MergeLimits, isMoving: Bool) -> MergeProgress {
        MergeProgress(
            revertID: record.id, targetID: record.targetID,
            safetyID: record.tookSafetySnapshot ? record.safetyID : nil, mergedBytes: copiedBytes,
            planBytes: planBytes, preservedBytes: 0, rate: 0,
            state: isMoving && !limits.isPaused ? .merging : .paused,
            bytesPerSecondLimit: limits.bytesPerSecond)
    }
}
