internal import SnapshotModel
internal import StoreFormat

/// What some frozen areas hold together.
struct FrozenLayer: Sendable {
    /// Which areas maps of the index have told of; others were looked into.
    let overlay: AreaOverlay
    /// The map of the index that it is, if it is one and no overlay of several.
    let map: IndexMap?

    var chunks: SourceMap { overlay.chunks }

    init(_ map: IndexMap) {
        overlay = map.overlay
        self.map = map
    }

    /// What areas hold that were looked into.
    init(_ chunks: SourceMap) {
        overlay = AreaOverlay(members: [], chunks: chunks)
        map = nil
    }

    /// Several layers as one, the first that has a chunk before the others. Their maps are kept no
    /// more.
    init(overlaying layers: [FrozenLayer]) {
        overlay = AreaOverlay(
            members: layers.flatMap(\.overlay.members),
            chunks: SourceMap(overlaying: layers.map(\.chunks)))
        map = nil
    }
}
