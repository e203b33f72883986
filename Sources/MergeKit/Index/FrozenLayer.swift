internal import SnapshotModel
internal import StoreFormat

/// What some frozen areas hold together.
struct FrozenLayer: Sendable {
    let chunks: SourceMap
    /// The maps of the index that say so, by their blocks; areas of none were looked into.
    let maps: [IndexMap]

    init(_ map: IndexMap) {
        chunks = map.chunks
        maps = [map]
    }

    /// What areas hold that were looked into.
    init(_ chunks: SourceMap) {
        self.chunks = chunks
        maps = []
    }

    /// Several layers as one, the first that has a chunk before the others.
    init(overlaying layers: [FrozenLayer]) {
        chunks = SourceMap(overlaying: layers.map(\.chunks))
        maps = layers.flatMap(\.maps)
    }

    /// The map of the index that leads to an area; nil for one that was looked into, and for others.
    func map(of ordinal: SnapshotOrdinal) -> IndexMap? {
        let index = maps.lowestIndex { $0.block.end > ordinal }
        guard index < maps.count, maps[index].member(ordinal) != nil else { return nil }
        return maps[index]
    }
}
