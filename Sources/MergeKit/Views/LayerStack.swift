internal import SnapshotModel
internal import StoreFormat

/// A part of the chain that holds chunks for a snapshot: the overlay of frozen areas, or an area that
/// grows.
protocol ChunkLayer {
    /// Whether exceptions are still added to it.
    var grows: Bool { get }

    /// The layer's first run within a range that is not empty, cut to the range.
    func firstRun(in range: Range<ChunkIndex>) -> SourceRun?
}

/// The layers that a snapshot's chunks are looked for in, in the order of precedence: the first area
/// from the snapshot's own on that has the chunk serves it.
struct LayerStack<Layer: ChunkLayer> {
    var layers: [Layer] = []

    /// What serves a chunk, and how many from it on: up to the end of the run that does, or to the
    /// next run of a layer that comes before. Without a run, no layer had one when it was asked.
    ///
    /// Layers are asked one after the other while writers go on. In mid-merge two of them grow: the
    /// merge preserves a chunk in the safety snapshot's area and overwrites it, then a writer
    /// preserves what the merge left in the newest area. Whoever asked the first too early would
    /// take the second's for the snapshot's. So a layer that grows is asked again once another,
    /// behind it, has answered: what comes second is then seen only by those who see what came
    /// first.
    func firstRun(
        at chunk: ChunkIndex, upTo end: ChunkIndex
    ) -> (run: SourceRun?, count: Int) {
        while true {
            var limit = end
            var found: (run: SourceRun, layer: Int)?
            for (index, layer) in layers.enumerated() {
                guard let run = layer.firstRun(in: chunk..<limit) else { continue }
                guard run.origin > chunk else {
                    found = (run, index)
                    break
                }
                limit = run.origin
            }
            guard let (run, layer) = found else { return (nil, chunk.distance(to: limit)) }
            let isFirst = layers[..<layer].allSatisfy {
                !$0.grows || $0.firstRun(in: run.originRange) == nil
            }
            if isFirst { return (run, run.count) }
        }
    }
}
