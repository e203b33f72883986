package import SnapshotModel

/// A clone that nobody writes to any more, for a revert that takes its content.
package struct FrozenClone {
    /// The clone as it is.
    package let record: CloneRecord
    /// What its own area has.
    package let map: ChunkMap
    /// What its layers have, newest first.
    package let layers: [(ordinal: CloneOrdinal, map: ChunkMap)]
    /// Whether it is over when the merge has ended.
    package let ends: Bool

    package init(
        record: CloneRecord, map: ChunkMap, layers: [(ordinal: CloneOrdinal, map: ChunkMap)],
        ends: Bool
    ) {
        self.record = record
        self.map = map
        self.layers = layers
        self.ends = ends
    }

    /// How the revert's record names it.
    package var inRecord: RevertClone {
        RevertClone(
            ordinal: record.ordinal, name: record.name, entryCount: map.count, ends: ends,
            layers: layers.isEmpty
                ? nil : layers.map { RevertLayer(ordinal: $0.ordinal, entryCount: $0.map.count) })
    }

    /// What it adds to the plan: it comes before all areas of the chain.
    package var sources: SourceMap {
        let own = SourceMap(map, ordinal: record.ordinal.inPlans)
        return SourceMap(
            overlaying: [own] + layers.map { SourceMap($0.map, ordinal: $0.ordinal.inPlans) })
    }
}
