import DeviceMapper
import StoreFormat
import SnapshotModel
import Testing

@testable import DeviceDriver

struct ViewTableTests {
    private let format = AreaFormat(chunkBytes: 4096)
    private let device = DeviceReference.number(DeviceNumber(major: 254, minor: 9))
    private let loop = DeviceReference.number(DeviceNumber(major: 7, minor: 1))

    private func table(bytes: Int, _ runs: [(origin: Int, count: Int, area: Int)]) -> DeviceTable {
        var map = SourceMap()
        for run in runs {
            map.append(
                SourceRun(
                    origin: ChunkIndex(run.origin), count: run.count,
                    ordinal: SnapshotOrdinal(rawValue: 1), area: ChunkIndex(run.area)))
        }
        return ViewTable(
            bytes: bytes, format: format, fallThrough: device,
            areas: [SnapshotOrdinal(rawValue: 1): loop]
        ).table(map)
    }

    private func segment(
        _ start: Int, _ count: Int, _ device: DeviceReference, _ offset: Int
    ) -> Segment {
        Segment(
            startSector: start, sectorCount: count,
            target: .linear(device: device, offset: offset))
    }

    @Test func `without exceptions a view is the snapshot that grows`() {
        #expect(table(bytes: 65536, []).segments == [segment(0, 128, device, 0)])
    }

    @Test func `exceptions come from the area, what lies between from the snapshot that grows`() {
        let segments = table(
            bytes: 65536, [(origin: 0, count: 1, area: 2), (origin: 4, count: 2, area: 9)]
        ).segments
        #expect(
            segments == [
                segment(0, 8, loop, 16), segment(8, 24, device, 8), segment(32, 16, loop, 72),
                segment(48, 80, device, 48),
            ])
    }

    @Test func `the last chunk is cut at the volume's end, and what lies behind it is left out`() {
        let segments = table(
            bytes: 4096 + 512, [(origin: 1, count: 1, area: 2), (origin: 5, count: 1, area: 3)]
        ).segments
        #expect(segments == [segment(0, 8, device, 0), segment(8, 1, loop, 16)])
    }
}
