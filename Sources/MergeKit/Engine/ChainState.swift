internal import SnapshotModel
internal import StoreFormat

/// A volume's chain at one moment. Immutable: an operation takes it once and works on it, while a
/// snapshot or revert puts another in its place at the barrier.
final class ChainState: Sendable {
    let geometry: Geometry
    /// All snapshots whose areas exist, deleted ones included, by ordinal.
    let snapshots: [SnapshotEntry]
    /// The newest snapshot's area; nil before the first snapshot.
    let active: GrowingArea?
    let merge: RunningMerge?
    /// What of the chain is lost or not to be found.
    let losses: ChainLosses
    /// This snapshot and all older ones cannot be read for it.
    let brokenThrough: SnapshotOrdinal?
    /// The number of chunks that the newest snapshot has, and whose content it may need.
    let preservedChunkCount: Int
    /// Whether any snapshot could need what a write overwrites.
    let hasLive: Bool

    init(
        geometry: Geometry, snapshots: [SnapshotEntry], active: GrowingArea?,
        merge: RunningMerge?, losses: ChainLosses
    ) {
        self.geometry = geometry
        self.snapshots = snapshots
        self.active = active
        self.merge = merge
        self.losses = losses
        brokenThrough = losses.brokenThrough(in: snapshots.lazy.map(\.manifest))
        let newestBytes = snapshots.last?.manifest.volumeBytes ?? 0
        preservedChunkCount =
            Geometry(volumeBytes: newestBytes, chunkBytes: geometry.chunkBytes).chunkCount
        hasLive = snapshots.contains { !$0.manifest.isDeleted }
    }

    /// Those of the chunks that the newest snapshot has: what lies behind its end is nothing to it.
    func preserved(of chunks: Range<ChunkIndex>) -> Range<ChunkIndex> {
        chunks.clamped(to: ChunkIndex(0)..<ChunkIndex(preservedChunkCount))
    }

    func changed(
        geometry: Geometry? = nil, snapshots: [SnapshotEntry]? = nil,
        active: GrowingArea?? = nil, merge: RunningMerge?? = nil,
        losses: ChainLosses? = nil
    ) -> ChainState {
        ChainState(
            geometry: geometry ?? self.geometry, snapshots: snapshots ?? self.snapshots,
            active: active ?? self.active, merge: merge ?? self.merge,
            losses: losses ?? self.losses)
    }

    var newest: SnapshotOrdinal? { snapshots.last?.manifest.ordinal }

    /// The area that grows besides the newest: the safety snapshot's, when later snapshots exist.
    var secondGrowing: GrowingArea? {
        guard let area = merge?.safetyArea, area !== active else { return nil }
        return area
    }

    /// The area of a snapshot if it still grows.
    func growing(_ ordinal: SnapshotOrdinal) -> GrowingArea? {
        [active, merge?.safetyArea].lazy.compactMap(\.self).first { $0.ordinal == ordinal }
    }

    /// The first area that grows, of the snapshots from an index on.
    func firstGrowing(from start: Int) -> (index: Int, area: GrowingArea)? {
        [merge?.safetyArea, active].lazy.compactMap(\.self)
            .map { (index: self.index(from: $0.ordinal), area: $0) }
            .filter { $0.index >= start }.min { $0.index < $1.index }
    }

    func isBroken(_ ordinal: SnapshotOrdinal) -> Bool {
        brokenThrough.map { ordinal <= $0 } ?? false
    }

    /// The index of the first snapshot at or after an ordinal.
    func index(from ordinal: SnapshotOrdinal) -> Int {
        snapshots.lowestIndex { $0.manifest.ordinal >= ordinal }
    }

    func entry(_ ordinal: SnapshotOrdinal) -> SnapshotEntry? {
        let index = index(from: ordinal)
        guard index < snapshots.count, snapshots[index].manifest.ordinal == ordinal else {
            return nil
        }
        return snapshots[index]
    }

    /// The live snapshot with an id.
    func live(_ id: SnapshotID) -> SnapshotManifest? {
        // Ids and ordinals ascend together, but a rebuilt catalog promises it less than the store.
        snapshots.last { $0.manifest.id == id && !$0.manifest.isDeleted }?.manifest
    }
}

/// A snapshot in a chain; shared by all states of the chain that have it.
final class SnapshotEntry: Sendable {
    let manifest: SnapshotManifest

    init(_ manifest: SnapshotManifest) { self.manifest = manifest }
}
