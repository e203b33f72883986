import SnapshotModel
import Testing

@testable import Manager

/// The definitions of design.md section 3, checked entry by entry on random chains.
@Suite struct SizeAccountingTests {
    static let chunkCount = 12

    /// A chain of areas 1...n as sets of chunks, and which snapshots live.
    private struct Chain {
        var areas: [Int: Set<Int>] = [:]
        var live: [Int] = []

        init(seed: UInt64) {
            var random = SplitMix(state: seed)
            let count = Int.random(in: 1...7, using: &random)
            for ordinal in 1...count {
                areas[ordinal] = Set((0..<chunkCount).filter { _ in Bool.random(using: &random) })
            }
            live = (1...count).filter { _ in Int.random(in: 0..<3, using: &random) > 0 }
        }

        /// Entries whose run lo...j holds the snapshot, and no other live one.
        func exclusiveEntries(of snapshot: Int) -> Int {
            areas.reduce(0) { total, area in
                total
                    + area.value.count { chunk in
                        let older = areas.keys.filter {
                            $0 < area.key && areas[$0]?.contains(chunk) == true
                        }
                        let lowest = (older.max() ?? 0) + 1
                        return live.filter { (lowest...area.key).contains($0) } == [snapshot]
                    }
            }
        }

        func chunks(_ ordinals: Range<Int>) -> ChunkSet {
            var set = ChunkSet()
            let union = ordinals.reduce(into: Set<Int>()) { $0.formUnion(areas[$1] ?? []) }
            for chunk in union.sorted() { set.append(ChunkIndex(chunk)..<ChunkIndex(chunk + 1)) }
            return set
        }
    }

    @Test(
        "exclusive bytes are those of the entries that serve the snapshot alone", arguments: 1...200
    )
    func exclusive(seed: UInt64) {
        let chain = Chain(seed: seed)
        let end = (chain.areas.keys.max() ?? 0) + 1
        let geometry = Geometry(volumeBytes: 12 * 4096, chunkBytes: 4096)
        for (index, snapshot) in chain.live.enumerated() {
            let previous = index > 0 ? chain.live[index - 1] : nil
            let next = index + 1 < chain.live.count ? chain.live[index + 1] : end
            let bytes = SizeAccounting.exclusiveBytes(
                before: previous.map { chain.chunks($0..<snapshot) },
                after: chain.chunks(snapshot..<next), geometry: geometry)
            #expect(bytes == chain.exclusiveEntries(of: snapshot) * 4096)
        }
    }

    @Test("bytes are cut at the volume's end")
    func cut() {
        let geometry = Geometry(volumeBytes: 4096 * 2 + 512, chunkBytes: 4096)
        let last = ChunkSet(ChunkIndex(1)..<ChunkIndex(3))
        #expect(SizeAccounting.bytes(of: last, geometry: geometry) == 4096 + 512)
    }

    @Test("what the list calls exclusive is what deleting frees")
    func agreesWithEngine() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("data")
        try fixture.snapshot("data")
        try fixture.write(1, to: 0..<8, of: "data")
        try fixture.snapshot("data")
        try fixture.write(2, to: 4..<12, of: "data")
        try fixture.snapshot("data")
        try fixture.write(3, to: 6..<7, of: "data")
        for row in try fixture.list() where row.state != .active {
            let report = try fixture.manager.deletions.delete([row.id.description], isDryRun: true)
            #expect(row.exclusiveBytes == report.freedBytes, "snapshot \(row.id)")
        }
        let rows = try fixture.list()
        #expect(rows.map(\.changedBytes) == [nil, 8 * 4096, 8 * 4096])
    }
}

/// A small generator, so that a seed replays a case.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
