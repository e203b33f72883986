internal import BlockIO
internal import Catalog
internal import MergeKit
internal import SnapshotModel

/// What a store knows, in the catalog's shape.
enum StoreContents {
    /// Reads a whole store, chunk maps included.
    static func read(_ path: String) throws -> RebuiltCatalog.Volume {
        let reader = try StoreReader(folder: FileFolder(path: path))
        let manifests = try reader.manifests()
        let running = try reader.runningRevert()
        return RebuiltCatalog.Volume(
            row: VolumeRow(record: reader.record, storePath: path), manifests: manifests,
            chunkMaps: try frozenMaps(reader, manifests, running),
            reverts: running.map { [revert($0, reader.record, manifests)] } ?? [])
    }

    /// The maps of areas that grow no more: not the newest one's, not the one that a merge
    /// preserves into.
    private static func frozenMaps(
        _ reader: StoreReader, _ manifests: [SnapshotManifest], _ running: RevertRecord?
    ) throws -> [SnapshotOrdinal: ChunkMap] {
        let ordinals = manifests.map(\.ordinal)
        let growing = [ordinals.max(), running?.safetyOrdinal]
        return try ordinals.filter { !growing.contains($0) }
            .reduce(into: [:]) { $0[$1] = try reader.chunkMap(of: $1) }
    }

    private static func revert(
        _ running: RevertRecord, _ record: VolumeRecord, _ manifests: [SnapshotManifest]
    ) -> RevertRow {
        let safety = manifests.first { $0.id == running.safetyID }
        return RevertRow(
            id: running.id, volume: record.name, snapshot: running.targetID,
            safetySnapshot: running.safetyID,
            planBytes: SizeAccounting.bytes(of: running.unmerged, geometry: record.geometry),
            state: .merging, begunAt: safety?.takenAt ?? record.createdAt)
    }
}
