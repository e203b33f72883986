import SnapshotModel
import TestKit
import Testing

@testable import MergeKit

@Suite("What was merged ahead of the others")
struct MergedAheadTests {
    @Test("is what was put in and not taken out", arguments: 0..<20 as Range<UInt64>)
    func equalsSet(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var (ahead, expected) = (MergedAhead(), Set<Int>())
        let end = 200
        for _ in 0..<60 {
            let start = random.below(end)
            if random.below(8) == 0 {
                ahead.removeAll(below: ChunkIndex(start))
                expected = expected.filter { $0 >= start }
            } else {
                let range = start..<min(end, start + random.below(12))
                ahead.insert(ChunkIndex(range.lowerBound)..<ChunkIndex(range.upperBound))
                expected.formUnion(range)
            }
            for chunk in 0..<end {
                let isIn = expected.contains(chunk)
                #expect(ahead.contains(ChunkIndex(chunk)) == isIn)
                let limit = min(end, chunk + 1 + random.below(50))
                let alike = (chunk..<limit).first { expected.contains($0) != isIn } ?? limit
                #expect(
                    ahead.endOfAlike(from: ChunkIndex(chunk), upTo: ChunkIndex(limit))
                        == ChunkIndex(alike))
            }
        }
    }

    @Test("R17: neighbours are one range, so that a look-up's cost does not follow the chunks")
    func joins() {
        var ahead = MergedAhead()
        for chunk in stride(from: 0, to: 1000, by: 2) {
            ahead.insert(ChunkIndex(chunk)..<ChunkIndex(chunk + 1))
        }
        #expect(ahead.ranges.count == 500)
        for chunk in stride(from: 999, to: 0, by: -2) {
            ahead.insert(ChunkIndex(chunk)..<ChunkIndex(chunk + 1))
        }
        #expect(ahead.ranges == [ChunkIndex(0)..<ChunkIndex(1000)])
    }
}
