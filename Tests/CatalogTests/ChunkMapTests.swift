@testable import Catalog
import SnapshotModel
import Testing

@Suite("Chunk maps in the catalog")
struct ChunkMapTests {
    private let fixture: Fixture
    private let first = SnapshotOrdinal(rawValue: 1)

    init() throws { fixture = try Fixture() }

    private func map(_ runs: (origin: Int, area: Int, count: Int)...) throws -> ChunkMap {
        try #require(
            ChunkMap(
                unordered: runs.map {
                    ChunkRun(
                        origin: ChunkIndex($0.origin), area: ChunkIndex($0.area), count: $0.count)
                }))
    }

    @Test("random maps come back as they were", arguments: 0..<20)
    func randomMaps(seed: Int) throws {
        let store = try fixture.open(volumes: "data")
        var generator = SeededGenerator(seed: UInt64(seed))
        let map = ChunkMap.random(&generator, runs: Int.random(in: 1...3000, using: &generator))
        try store.storeChunkMap(map, volume: "data", ordinal: first)
        #expect(try store.chunkMap(volume: "data", ordinal: first) == map, "seed \(seed)")
    }

    @Test("an empty map is a map, and a missing one is not")
    func empty() throws {
        let store = try fixture.open(volumes: "data")
        #expect(try store.chunkMap(volume: "data", ordinal: first) == nil)
        try store.storeChunkMap(ChunkMap(), volume: "data", ordinal: first)
        #expect(try store.chunkMap(volume: "data", ordinal: first) == ChunkMap())
        expectError(.notFound) { _ = try store.chunkMap(volume: "nobody", ordinal: first) }
    }

    @Test("runs at the edges of segments and of the largest volume come back")
    func edges() throws {
        let store = try fixture.open(volumes: "data")
        let span = ChunkSegment.span
        let last = 1 << 48
        for map in [
            try map((span - 1, 9, 1), (span, 99, 1)),
            try map((span - 1, 9, 2 * span), (3 * span, 5, 1)),
            try map((0, 1 << 49, 1), (last - 3, 2, 3)),
            try map((0, 7, last)),
        ] {
            try store.storeChunkMap(map, volume: "data", ordinal: first)
            #expect(try store.chunkMap(volume: "data", ordinal: first) == map)
        }
    }

    @Test("chunks beyond any volume are refused", arguments: [(1 << 60, 0), (0, 1 << 60), (0, -1)])
    func beyond(origin: Int, area: Int) throws {
        let store = try fixture.open(volumes: "data")
        let map = try map((origin, area, 1))
        expectError(.constraint) {
            try store.storeChunkMap(map, volume: "data", ordinal: first)
        }
    }

    @Test("a million chunks in few runs take a few dozen bytes")
    func compression() throws {
        let map = try map((0, 2, 500_000), (600_000, 500_100, 250_000), (900_000, 7, 250_000))
        #expect(map.count == 1_000_000)
        let bytes = try ChunkSegment.segments(of: map).map(\.bytes.count).reduce(0, +)
        #expect(bytes <= 60)
    }

    @Test("storing again replaces, and ranges are read and removed by ordinal")
    func ranges() throws {
        let store = try fixture.open(volumes: "data", "boot")
        let maps = try (1...4).map { try map(($0, 2, $0)) }
        for (index, map) in maps.enumerated() {
            let ordinal = SnapshotOrdinal(rawValue: index + 1)
            try store.storeChunkMap(ChunkMap(), volume: "data", ordinal: ordinal)
            try store.storeChunkMap(map, volume: "data", ordinal: ordinal)
        }
        try store.storeChunkMap(ChunkMap(), volume: "boot", ordinal: first.next)
        let middle = first.next...first.next.next
        #expect(
            try store.chunkMaps(volume: "data", ordinals: middle)
                == [first.next: maps[1], first.next.next: maps[2]])
        try store.removeChunkMaps(volume: "data", ordinals: middle)
        try store.removeChunkMap(volume: "data", ordinal: first)
        #expect(try store.chunkMapOrdinals(volume: "data").map(\.rawValue) == [4])
        #expect(try store.chunkMapOrdinals(volume: "boot").map(\.rawValue) == [2])
    }

    @Test("a chunk map outlives its snapshot")
    func outliving() throws {
        let store = try fixture.open(volumes: "data")
        let snapshot = try store.take("data", ordinal: 1)
        try store.storeChunkMap(ChunkMap(), volume: "data", ordinal: first)
        try store.removeSnapshots([snapshot.id])
        #expect(try store.chunkMap(volume: "data", ordinal: first) != nil)
    }

    @Test("a byte of a map that flips on disk is noticed, and told by the check")
    func flippedByte() throws {
        let map = try map((3, 1_234_567, 89), (70_000, 98_765, 43))
        do {
            let store = try fixture.open(volumes: "data")
            try store.storeChunkMap(map, volume: "data", ordinal: first)
            #expect(try store.integrityCheck() == [])
        }
        let blob = try ChunkSegment.segments(of: map)[0].bytes
        var bytes = try fixture.bytes
        let place = try #require(
            (0..<(bytes.count - blob.count)).first {
                bytes[$0] == blob[0] && bytes[$0..<($0 + blob.count)].elementsEqual(blob)
            })
        bytes[place + 3] ^= 0x10
        try fixture.write(bytes)

        let store = try fixture.open()
        expectError(.corrupt) { _ = try store.chunkMap(volume: "data", ordinal: first) }
        let problems = try store.integrityCheck()
        #expect(problems.count == 1)
        #expect(problems.first?.contains("volume data, area 1") == true)
    }
}
