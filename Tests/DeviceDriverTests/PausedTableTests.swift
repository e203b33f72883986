import DeviceMapper
import StoreFormat
import SnapshotModel
import TestKit
import Testing

@testable import DeviceDriver

struct PausedTableTests {
    private let format = AreaFormat(chunkBytes: 4096)
    private let overlay = DeviceReference.number(DeviceNumber(major: 254, minor: 9))
    private let under = DeviceReference.number(DeviceNumber(major: 254, minor: 3))

    private func table(bytes: Int, _ unmerged: ChunkMap) -> DeviceTable {
        PausedTable(bytes: bytes, format: format, overlay: overlay, under: under).table(unmerged)
    }

    private func map(_ runs: [(origin: Int, area: Int, count: Int)]) -> ChunkMap {
        var map = ChunkMap()
        for run in runs {
            let isAppended = map.append(
                ChunkRun(
                    origin: ChunkIndex(run.origin), area: ChunkIndex(run.area), count: run.count))
            #expect(isAppended)
        }
        return map
    }

    private func segment(
        _ start: Int, _ count: Int, _ device: DeviceReference, _ offset: Int
    ) -> Segment {
        Segment(
            startSector: start, sectorCount: count,
            target: .linear(device: device, offset: offset))
    }

    private func unmergedChunkCount(of table: DeviceTable) -> Int {
        PausedTable.unmergedChunkCount(of: table, overlay: overlay, format: format)
    }

    @Test func `when nothing is left to merge all passes under`() {
        let table = table(bytes: 65536, ChunkMap())
        #expect(table.segments == [segment(0, 128, under, 0)])
        #expect(unmergedChunkCount(of: table) == 0)
    }

    @Test func `chunks that are not merged are the overlay's, the others keep their places under`()
    {
        let unmerged = map([(origin: 0, area: 2, count: 1), (origin: 4, area: 3, count: 2)])
        let table = table(bytes: 65536, unmerged)
        #expect(
            table.segments == [
                segment(0, 8, overlay, 16), segment(8, 24, under, 8), segment(32, 16, overlay, 24),
                segment(48, 80, under, 48),
            ])
        #expect(unmergedChunkCount(of: table) == 3)
    }

    @Test func `a run of chunks is one segment, but for the metadata block in its middle`() {
        // The kernel's allocator skips chunk 258, which is a metadata block.
        let runs = map([(origin: 0, area: 2, count: 256), (origin: 256, area: 259, count: 44)])
        #expect(
            table(bytes: 300 * 4096, runs).segments == [
                segment(0, 2048, overlay, 16), segment(2048, 352, overlay, 2072),
            ])
    }

    @Test func `the last chunk is cut at the volume's end, and counts whole`() {
        let table = table(bytes: 4096 + 512, map([(origin: 1, area: 2, count: 1)]))
        #expect(table.segments == [segment(0, 8, under, 0), segment(8, 1, overlay, 16)])
        #expect(unmergedChunkCount(of: table) == 1)
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func `each sector is where a list of all chunks says, in no more segments than foretold`(
        seed: UInt64
    ) throws {
        var random = SeededGenerator(seed: seed)
        let chunkCount = 1 + random.below(700)
        let bytes = chunkCount * 4096 - 512 * random.below(8)
        // What an array says of each chunk: its place in the overlay, or nil.
        var places = [Int?](repeating: nil, count: chunkCount)
        let layout = SyntheticLayout(plan: SourceMap(), format: format)
        var unmerged = ChunkMap()
        var position = 0
        for chunk in 0..<chunkCount where random.oneIn(1 + Int(seed % 4)) || chunk % 9 < 4 {
            let place = layout.dataChunk(position)
            places[chunk] = place.rawValue
            let isAppended = unmerged.append(
                ChunkRun(origin: ChunkIndex(chunk), area: place, count: 1))
            #expect(isAppended)
            position += 1
        }
        let table = table(bytes: bytes, unmerged)
        try table.validate()
        #expect(table.sectorCount == bytes / 512)
        for segment in table.segments {
            guard case .linear(let device, let offset) = segment.target else {
                Issue.record("not linear: \(segment)")
                continue
            }
            for sector in segment.startSector..<segment.endSector {
                let there = offset + sector - segment.startSector
                if let place = places[sector / 8] {
                    #expect(device == overlay && there == place * 8 + sector % 8)
                } else {
                    #expect(device == under && there == sector)
                }
            }
        }
        #expect(table.segments.count <= PausedTable.segmentsMaximum(unmerged))
        #expect(unmergedChunkCount(of: table) == position)
    }
}
