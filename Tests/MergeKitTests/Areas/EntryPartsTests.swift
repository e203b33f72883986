import SnapshotModel
import StoreFormat
import TestKit
import Testing

@testable import MergeKit

@Suite struct EntryPartsTests {
    private static func parts(
        _ entries: [AreaEntry], from first: Int = 0, partCount: Int
    ) -> [[AreaEntry]] {
        Array(
            EntryParts(first..<entries.count, partCount: partCount) { places, body in
                for entry in entries[places] { body(entry) }
            })
    }

    /// Entries of chunks in random order, or all of them close together but for some.
    private static func entries(_ count: Int, spread: Int, seed: UInt64) -> [AreaEntry] {
        var generator = SeededGenerator(seed: seed)
        var origins: Set<Int> = []
        while origins.count < count { origins.insert(Int(generator.next() % UInt64(spread))) }
        return origins.sorted().shuffled(using: &generator).enumerated().map {
            AreaEntry(origin: ChunkIndex($1), area: ChunkIndex($0 + 2))
        }
    }

    @Test(arguments: [1, 10, 63, 1000, 5000], [1, 7, 100, 10_000])
    func `the parts, one behind the other, are all entries by their chunks`(
        count: Int, partCount: Int
    ) {
        for spread in [count, count * 100] {
            let entries = Self.entries(count, spread: spread, seed: UInt64(count + partCount))
            let parts = Self.parts(entries, partCount: partCount)
            #expect(Array(parts.joined()) == entries.sorted { $0.origin < $1.origin })
        }
    }

    @Test func `entries before the first place are left out`() {
        let entries = Self.entries(1000, spread: 5000, seed: 3)
        let parts = Self.parts(entries, from: 400, partCount: 100)
        #expect(Array(parts.joined()) == entries[400...].sorted { $0.origin < $1.origin })
        #expect(Self.parts(entries, from: 1000, partCount: 100).joined().isEmpty)
    }

    @Test func `no part is much larger than the others`() {
        let entries = Self.entries(50_000, spread: 1 << 40, seed: 5)
        let parts = Self.parts(entries, partCount: 10_000)
        #expect(parts.count == 6)
        #expect(parts.map(\.count).max() ?? 0 < 15_000)
    }
}
