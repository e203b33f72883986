import System
import StoreFormat
import SnapshotModel
import TestKit
import Testing

@testable import DeviceDriver

struct SyntheticLayoutTests {
    private let format = AreaFormat(chunkBytes: 4096)

    private func plan(_ runs: [(origin: Int, count: Int, ordinal: Int, area: Int)]) -> SourceMap {
        var plan = SourceMap()
        for run in runs {
            plan.append(
                SourceRun(
                    origin: ChunkIndex(run.origin), count: run.count,
                    ordinal: SnapshotOrdinal(rawValue: run.ordinal), area: ChunkIndex(run.area)))
        }
        return plan
    }

    @Test func `an empty plan is a store with a header and one empty metadata block`() {
        let layout = SyntheticLayout(plan: SourceMap(), format: format)
        #expect(layout.chunkCount == 2)
        #expect(
            layout.windows == [.init(source: .metadata, first: ChunkIndex(0), count: 2)])
    }

    @Test func `a run is one window behind the header and the first metadata block`() {
        let layout = SyntheticLayout(
            plan: plan([(origin: 7, count: 5, ordinal: 3, area: 40)]), format: format)
        #expect(
            layout.windows == [
                .init(source: .metadata, first: ChunkIndex(0), count: 2),
                .init(
                    source: .area(SnapshotOrdinal(rawValue: 3)), first: ChunkIndex(40), count: 5),
            ])
        #expect(layout.chunkCount == 7)
    }

    @Test(arguments: [255, 256, 257, 511, 512, 513, 1000])
    func `metadata blocks lie where the kernel looks for them, and the last is not full`(
        count: Int
    ) {
        let layout = SyntheticLayout(
            plan: plan([(origin: 0, count: count, ordinal: 1, area: 2)]), format: format)
        var position = 0
        var blocks: [Int] = []
        for window in layout.windows {
            if window.source == .metadata {
                let first = window.first.rawValue
                for index in 0..<window.count where first + index > 0 {
                    #expect(
                        position + index == format.metadataChunk(first + index - 1).rawValue)
                    blocks.append(first + index - 1)
                }
            }
            position += window.count
        }
        #expect(blocks == Array(0...count / 256))
        #expect(position == layout.chunkCount)
        #expect(layout.metadataChunkCount == 1 + blocks.count)
    }

    @Test func `the data of each exception is the area's chunk that the plan names`() {
        var random = SeededGenerator(seed: 5)
        var source = SourceMap()
        var origin = 0
        for _ in 0..<400 {
            origin += 1 + random.below(3)
            let count = 1 + random.below(4)
            source.append(
                SourceRun(
                    origin: ChunkIndex(origin), count: count,
                    ordinal: SnapshotOrdinal(rawValue: 1 + random.below(3)),
                    area: ChunkIndex(2 + random.below(1_000_000))))
            origin += count
        }
        let layout = SyntheticLayout(plan: source, format: format)
        var chunks: [(SyntheticLayout.Source, Int)] = []
        for window in layout.windows {
            for index in 0..<window.count {
                chunks.append((window.source, window.first.rawValue + index))
            }
        }
        #expect(chunks.count == layout.chunkCount)
        var position = 0
        for run in source.runs {
            for index in 0..<run.count {
                let (source, chunk) = chunks[layout.dataChunk(position).rawValue]
                #expect(source == .area(run.ordinal))
                #expect(chunk == run.area.rawValue + index)
                position += 1
            }
        }
    }

    @Test func `our reader finds in the written metadata what the plan says`() throws {
        let folder = TemporaryFolder()
        let store = Store(folder: FileFolder(path: folder.path))
        let revert = RevertID(rawValue: 7)
        try store.folder.makeFolder(StoreLayout.reverts)
        try store.folder.makeFolder(StoreLayout.revertFolder(revert))
        let source = plan([
            (origin: 3, count: 300, ordinal: 1, area: 2),
            (origin: 400, count: 212, ordinal: 2, area: 9),
        ])
        let layout = SyntheticLayout(plan: source, format: format)
        try SyntheticStore(store: store, revert: revert, format: format)
            .writeMetadata(source, layout)
        // The windows' data left out, the store's metadata at its places: an area to our reader.
        let metadata = try store.folder.openFile(
            StoreLayout.syntheticMetadata(revert), writable: false)
        let whole = try store.folder.createFile(
            "whole", byteCount: layout.chunkCount * format.chunkBytes)
        var position = 0
        for window in layout.windows {
            if window.source == .metadata {
                var buffer = AlignedBuffer(count: window.count * format.chunkBytes)
                var bytes = buffer.mutableBytes
                try metadata.read(into: &bytes, at: window.first.rawValue * format.chunkBytes)
                try whole.write(buffer.bytes, at: position * format.chunkBytes)
            }
            position += window.count
        }
        let entries = try AreaReader(device: whole, format: format, originChunkCount: 1000)
            .entries()
        #expect(entries.count == 512)
        #expect(entries.map(\.origin.rawValue) == Array(3..<303) + Array(400..<612))
        #expect(
            entries.enumerated().allSatisfy { $1.area == layout.dataChunk($0) })
    }
}
