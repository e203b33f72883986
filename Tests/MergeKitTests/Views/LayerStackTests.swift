import SnapshotModel
import Testing

@testable import MergeKit
@testable import StoreFormat

/// Where a snapshot's chunks are looked for, while others add to the layers.
struct LayerStackTests {
    /// A layer whose runs may change whenever it was asked.
    private final class Layer: ChunkLayer {
        let grows: Bool
        let ordinal: SnapshotOrdinal
        var chunks: Set<Int>
        var asked: [Range<Int>] = []
        var afterwards: () -> Void = {}

        init(_ ordinal: Int, chunks: Set<Int> = [], grows: Bool) {
            self.ordinal = SnapshotOrdinal(rawValue: ordinal)
            self.chunks = chunks
            self.grows = grows
        }

        func firstRun(in range: Range<ChunkIndex>) -> SourceRun? {
            asked.append(range.lowerBound.rawValue..<range.upperBound.rawValue)
            let first = range.lowerBound.rawValue
            let found = (first..<range.upperBound.rawValue).first(where: chunks.contains)
            let run = found.map { start in
                let end = (start...).first {
                    !chunks.contains($0) || $0 >= range.upperBound.rawValue
                }
                return SourceRun(
                    origin: ChunkIndex(start), count: (end ?? start + 1) - start,
                    ordinal: ordinal, area: ChunkIndex(start + 100))
            }
            afterwards()
            return run
        }
    }

    private func resolve(
        _ layers: [Layer], _ chunk: Int, upTo end: Int = 64
    ) -> (ordinal: Int?, count: Int) {
        let found = LayerStack(layers: layers)
            .firstRun(at: ChunkIndex(chunk), upTo: ChunkIndex(end))
        return (found.run?.ordinal.rawValue, found.count)
    }

    @Test func `the first layer that has a chunk serves it, up to the next run of one before`() {
        let layers = [
            Layer(1, chunks: [4, 5], grows: false), Layer(2, chunks: [2, 3, 4, 5, 6], grows: true),
            Layer(3, chunks: [9], grows: true),
        ]
        #expect(resolve(layers, 0) == (nil, 2))
        #expect(resolve(layers, 2) == (2, 2))
        #expect(resolve(layers, 4) == (1, 2))
        #expect(resolve(layers, 6) == (2, 1))
        #expect(resolve(layers, 7) == (nil, 2))
        #expect(resolve(layers, 9) == (3, 1))
        #expect(resolve(layers, 10) == (nil, 54))
    }

    @Test func `I6 a merge and a write between two looks do not show a snapshot the merged chunk`()
    {
        let safety = Layer(2, grows: true)
        let newest = Layer(3, grows: true)
        // The merge preserves the chunk and overwrites it; a writer preserves what the merge wrote.
        safety.afterwards = {
            safety.chunks.insert(7)
            newest.chunks.insert(7)
        }
        #expect(resolve([Layer(1, grows: false), safety, newest], 7) == (2, 1))
    }

    @Test func `only a part of a run may have been preserved in the meantime`() {
        let safety = Layer(2, grows: true)
        let newest = Layer(3, chunks: [6, 7, 8, 9], grows: true)
        safety.afterwards = { safety.chunks.insert(8) }
        let layers = [safety, newest]
        #expect(resolve(layers, 6) == (3, 2))
        #expect(resolve(layers, 8) == (2, 1))
        #expect(resolve(layers, 9) == (3, 1))
    }

    @Test func `layers are asked again only where two of them grow`() {
        let frozen = Layer(1, grows: false)
        let newest = Layer(2, chunks: [3], grows: true)
        #expect(resolve([frozen, newest], 3) == (2, 1))
        #expect(frozen.asked.count == 1 && newest.asked.count == 1)
    }
}
