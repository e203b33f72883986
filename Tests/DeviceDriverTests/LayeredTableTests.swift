import DeviceMapper
import StoreFormat
import SnapshotModel
import Testing

@testable import DeviceDriver

@Suite struct LayeredTableTests {
    private let format = AreaFormat(chunkBytes: 4096)
    private let below = DeviceReference.number(DeviceNumber(major: 254, minor: 9))
    private let old = DeviceReference.number(DeviceNumber(major: 7, minor: 1))
    private let new = DeviceReference.number(DeviceNumber(major: 7, minor: 2))

    private func segment(
        _ start: Int, _ count: Int, _ device: DeviceReference, _ offset: Int
    ) -> Segment {
        Segment(
            startSector: start, sectorCount: count,
            target: .linear(device: device, offset: offset))
    }

    private func zero(_ start: Int, _ count: Int) -> Segment {
        Segment(startSector: start, sectorCount: count, target: .zero)
    }

    private func map(_ runs: (origin: Int, count: Int, area: Int)...) throws -> ChunkMap {
        try AreaReader.chunkMap(
            of: runs.flatMap { run in
                (0..<run.count).map {
                    AreaEntry(
                        origin: ChunkIndex(run.origin + $0), area: ChunkIndex(run.area + $0))
                }
            })
    }

    /// Of 16 chunks.
    private var table: LayeredTable { LayeredTable([segment(0, 128, below, 0)], format) }

    @Test func `behind the end of what a clone began as it is zero`() throws {
        var table = table
        table.extend(toBytes: 65536 + 1024)
        #expect(table.segments == [segment(0, 128, below, 0), zero(128, 2)])
        table.extend(toBytes: 4096)
        #expect(table.segments.count == 2)
    }

    @Test func `what a layer has covers what lies below, and the rest keeps its place`() throws {
        var table = LayeredTable([segment(0, 40, below, 80), segment(40, 88, old, 8)], format)
        table.cover(try map((origin: 4, count: 2, area: 3)), by: new, upToBytes: 65536)
        #expect(
            table.segments == [
                segment(0, 32, below, 80), segment(32, 16, new, 24), segment(48, 80, old, 16),
            ])
        try table.table.validate()
    }

    @Test func `the newest layer counts`() throws {
        var table = table
        table.cover(try map((origin: 0, count: 4, area: 2)), by: old, upToBytes: 65536)
        table.cover(try map((origin: 1, count: 1, area: 7)), by: new, upToBytes: 65536)
        #expect(
            table.segments == [
                segment(0, 8, old, 16), segment(8, 8, new, 56), segment(16, 16, old, 32),
                segment(32, 96, below, 32),
            ])
    }

    @Test func `a layer covers nothing behind its own end, where the clone is larger`() throws {
        var table = table
        table.cover(
            try map((origin: 1, count: 2, area: 2), (origin: 9, count: 1, area: 4)), by: new,
            upToBytes: 8192 + 512)
        #expect(
            table.segments == [
                segment(0, 8, below, 0), segment(8, 9, new, 16), segment(17, 111, below, 17),
            ])
        try table.table.validate()
    }
}
