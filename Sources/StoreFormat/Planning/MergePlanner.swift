package import SnapshotModel

/// An area of the chain as planners see it.
package struct ChainArea: Sendable {
    /// Whose area it is.
    package var ordinal: SnapshotOrdinal
    /// What it has of the volume.
    package var map: ChunkMap

    package init(ordinal: SnapshotOrdinal, map: ChunkMap) {
        self.ordinal = ordinal
        self.map = map
    }
}

/// What a revert has to copy. Pure: areas in, plan out.
package enum MergePlanner {
    /// The plan of a revert to the snapshot whose area comes first in `areas`, which are given
    /// oldest first and reach up to the newest: for each chunk the oldest of them wins. Chunks from
    /// `chunkCount` on, which the volume had at some time and has no more, are not copied.
    package static func plan(over areas: [ChainArea], chunkCount: Int) -> SourceMap {
        SourceMap(overlaying: areas.map { SourceMap($0.map, ordinal: $0.ordinal) })
            .prefix(chunkCount)
    }

    /// The chunks that may differ between two snapshots: those with an exception in an area from
    /// the older one's up to, but without, the newer one's. A superset after a revert in between.
    package static func delta(over areas: [ChainArea]) -> ChunkSet {
        ChunkSet.union(areas.map(\.map.chunks))
    }
}
