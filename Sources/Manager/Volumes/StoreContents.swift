internal import System
internal import Catalog
internal import StoreFormat
internal import SnapshotModel

/// What a store knows, in the catalog's shape.
enum StoreContents {
    /// Reads a whole store, chunk maps included.
    static func read(_ path: String) throws -> RebuiltCatalog.Volume {
        let reader = try StoreReader(folder: FileFolder(path: path)).forOneLook
        let manifests = try reader.manifests()
        let state = try reader.state()
        var record = reader.record
        // Deleted snapshots are left out, but their ids must never be given out again.
        for manifest in manifests {
            record.idFloor = record.idFloor.merged(with: IDFloor(snapshot: manifest.id))
        }
        let contents = RebuiltCatalog.Volume(
            row: VolumeRow(
                record: record, storePath: path,
                snapshotsSeen: manifests.map(\.ordinal).max() ?? SnapshotOrdinal(rawValue: 0)),
            manifests: manifests.filter { !$0.isDeleted },
            chunkMaps: try frozenMaps(reader, manifests, state),
            reverts: state.revert.map { [revert($0.record, reader.record)] } ?? [],
            brokenUpTo: state.lostThrough, clones: state.clones)
        if let refusal = contents.refusal {
            throw Problem(
                .refused, "the store \(path) is not taken over: \(refusal)",
                hint:
                    "only a store that somebody changed is so: restore it from a copy, or move it away"
            )
        }
        return contents
    }

    /// The maps of areas that grow no more: not the newest one's, not the one that a merge
    /// preserves into.
    private static func frozenMaps(
        _ reader: StoreReader, _ manifests: [SnapshotManifest], _ state: VolumeState
    ) throws -> [SnapshotOrdinal: ChunkMap] {
        guard reader.record.hasAreas else { return [:] }
        let growing = [manifests.map(\.ordinal).max(), state.revert?.record.safety]
        return try manifests.filter { !growing.contains($0.ordinal) }.reduce(into: [:]) {
            maps, manifest in
            if state.isLost(manifest.ordinal) {
                // Its area was given up and may be damaged: the rest of the volume is not.
                maps[manifest.ordinal] = try? reader.chunkMap(of: manifest)
            } else {
                maps[manifest.ordinal] = try reader.chunkMap(of: manifest)
            }
        }
    }

    private static func revert(_ running: RevertRecord, _ record: VolumeRecord) -> RevertRow {
        RevertRow(
            id: running.id, volume: record.name, snapshot: running.targetID,
            safetySnapshot: running.tookSafetySnapshot ? running.safetyID : nil,
            planBytes: running.planBytes(chunkBytes: record.geometry.chunkBytes), state: .merging,
            begunAt: running.startedAt)
    }
}
