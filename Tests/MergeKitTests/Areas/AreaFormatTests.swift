import System
import MergeKit
import StoreFormat
import SnapshotModel
import TestKit
import Testing

@Suite("The bytes of an area are dm-snapshot's")
struct AreaFormatTests {
    private let format = AreaFormat(chunkBytes: 4096)
    private let kernel = CopyKernel(options: CopyOptions(workerCount: 1))
    private let disk = SimulatedDisk()

    private func makeArea(chunks: Int) throws -> (GrowingArea, any BlockDevice) {
        let device = try disk.createFile(
            "area", byteCount: format.fullCoverageBytes(chunkCount: chunks))
        try disk.origin().resize(to: chunks * 4096)
        let area = try GrowingArea.create(
            on: device, ordinal: SnapshotOrdinal(rawValue: 1), format: format,
            originChunkCount: chunks, kernel: kernel)
        return (area, device)
    }

    private func preserve(_ range: Range<Int>, in area: GrowingArea, chunks: Int) throws {
        try area.preserve(
            [ChunkIndex(range.lowerBound)..<ChunkIndex(range.upperBound)], of: disk.origin(),
            geometry: Geometry(volumeBytes: chunks * 4096, chunkBytes: 4096))
    }

    @Test("a new area is the golden vector's header and nothing else")
    func goldenHeader() throws {
        let (_, device) = try makeArea(chunks: 10)
        let header: [UInt8] = [
            0x53, 0x6e, 0x41, 0x70,  // "SnAp"
            0x01, 0x00, 0x00, 0x00,  // valid
            0x01, 0x00, 0x00, 0x00,  // version 1
            0x08, 0x00, 0x00, 0x00,  // 8 sectors a chunk
        ]
        #expect(try device.content(0..<16) == header)
        #expect(try device.content(16..<12 * 4096).allSatisfy { $0 == 0 })
    }

    @Test("the golden vector's positions: metadata at 4096 and 1056768, data from 8192 on")
    func goldenPositions() throws {
        let (area, device) = try makeArea(chunks: 300)
        try disk.origin().write([UInt8](repeating: 0xAB, count: 4096), at: 7 * 4096)
        try disk.origin().write([UInt8](repeating: 0xCD, count: 4096), at: 299 * 4096)
        try preserve(7..<8, in: area, chunks: 300)
        let entry: [UInt8] = [7, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]
        #expect(try device.content(4096..<4112) == entry)
        #expect(try device.content(4112..<8192).allSatisfy { $0 == 0 })
        #expect(try device.content(8192..<12_288).allSatisfy { $0 == 0xAB })
        try preserve(0..<256, in: area, chunks: 300)
        // 255 entries more fill block 0; chunk 258 is metadata, so the next data chunk is 259.
        try preserve(299..<300, in: area, chunks: 300)
        let second: [UInt8] = [0x2B, 1, 0, 0, 0, 0, 0, 0, 3, 1, 0, 0, 0, 0, 0, 0]
        #expect(try device.content(1_056_768..<1_056_784) == second)
        #expect(try device.content(259 * 4096..<260 * 4096).allSatisfy { $0 == 0xCD })
    }

    @Test(
        "chunks are allocated as the kernel does, past every metadata block",
        arguments: [512, 4096])
    func allocationOrder(chunkBytes: Int) {
        let format = AreaFormat(chunkBytes: chunkBytes)
        let perBlock = format.entriesPerBlock
        #expect(perBlock == chunkBytes / 16)
        var chunk = AreaFormat.firstDataChunk
        // The rule of facts/formats.md: when next_free mod (E + 1) == 1, next_free += 1.
        var expected = 2
        for _ in 0..<4 * perBlock {
            #expect(chunk.rawValue == expected)
            #expect(!format.isMetadata(chunk))
            chunk = format.dataChunk(after: chunk)
            expected += 1
            if expected % (perBlock + 1) == 1 { expected += 1 }
        }
        for block in 0..<5 {
            #expect(format.metadataChunk(block).rawValue == 1 + block * (perBlock + 1))
            #expect(format.isMetadata(format.metadataChunk(block)))
        }
    }

    @Test("a full-coverage file holds all chunks, and a terminated block behind them")
    func fullCoverage() {
        #expect(AreaFormat(chunkBytes: 4096).fullCoverageBytes(chunkCount: 1) == 3 * 4096)
        for count in [1, 31, 32, 33, 63, 64, 65, 1000] {
            let format = AreaFormat(chunkBytes: 512)
            var last = AreaFormat.firstDataChunk
            for _ in 1..<count { last = format.dataChunk(after: last) }
            let end = max(
                last.rawValue, format.metadataChunk(count / format.entriesPerBlock).rawValue)
            #expect(format.fullCoverageBytes(chunkCount: count) == (end + 1) * 512, "\(count)")
        }
    }

    @Test(
        "several blocks are filled in order, and read back equal",
        arguments: [31, 32, 33, 96, 97])
    func severalBlocks(count: Int) throws {
        let format = AreaFormat(chunkBytes: 512)
        let device = try disk.createFile(
            "small", byteCount: format.fullCoverageBytes(chunkCount: 100))
        try disk.origin().resize(to: 100 * 512)
        for chunk in 0..<100 {
            let bytes = [UInt8](repeating: UInt8(chunk + 1), count: 512)
            try disk.origin().write(bytes, at: chunk * 512)
        }
        let area = try GrowingArea.create(
            on: device, ordinal: SnapshotOrdinal(rawValue: 1), format: format,
            originChunkCount: 100, kernel: kernel)
        let geometry = Geometry(volumeBytes: 100 * 512, chunkBytes: 512)
        // Half in one commit, which crosses blocks, the rest one by one; highest chunks first.
        let half = count / 2
        try area.preserve(
            [ChunkIndex(99 - half)..<ChunkIndex(99)], of: disk.origin(), geometry: geometry)
        for chunk in 0..<count - half {
            try area.preserve(
                [ChunkIndex(chunk)..<ChunkIndex(chunk + 1)], of: disk.origin(), geometry: geometry)
        }
        let reader = AreaReader(device: device, format: format, originChunkCount: 100)
        let entries = try reader.entries()
        #expect(entries.map(\.origin.rawValue) == Array(99 - half..<99) + Array(0..<count - half))
        var expected = AreaFormat.firstDataChunk
        for entry in entries {
            #expect(entry.area == expected)
            expected = format.dataChunk(after: expected)
            let start = entry.area.rawValue * 512
            let byte = UInt8(entry.origin.rawValue + 1)
            #expect(try device.content(start..<start + 512).allSatisfy { $0 == byte })
        }
        #expect(try reader.entries(limit: count - 1) == Array(entries.dropLast()))
        #expect(try reader.chunkMap() == area.chunkMap())
        let again = try GrowingArea.open(
            on: device, ordinal: SnapshotOrdinal(rawValue: 1), format: format,
            originChunkCount: 100, kernel: kernel)
        #expect(again.entryCount == count)
        try again.preserve(
            [ChunkIndex(99)..<ChunkIndex(100)], of: disk.origin(), geometry: geometry)
        #expect(try reader.entries().last == AreaEntry(origin: ChunkIndex(99), area: expected))
    }

    @Test("entries behind a terminator, left by a torn commit, never come to life")
    func staleEntries() throws {
        let (area, device) = try makeArea(chunks: 10)
        try preserve(0..<2, in: area, chunks: 10)
        // Slot 2 is the end; slot 3 was written by a commit that a crash tore.
        try device.write([9, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0], at: 4096 + 48)
        let again = try GrowingArea.open(
            on: device, ordinal: SnapshotOrdinal(rawValue: 1), format: format, originChunkCount: 10,
            kernel: kernel)
        try preserve(4..<5, in: again, chunks: 10)
        let reader = AreaReader(device: device, format: format, originChunkCount: 10)
        #expect(try reader.entries().map(\.origin.rawValue) == [0, 1, 4])
    }

    @Test("an area that was given up says so in its header, keeps its entries, takes no more")
    func invalidate() throws {
        let (area, device) = try makeArea(chunks: 10)
        try preserve(0..<1, in: area, chunks: 10)
        try area.invalidate()
        #expect(try device.content(4..<8) == [0, 0, 0, 0])
        let reader = AreaReader(device: device, format: format, originChunkCount: 10)
        #expect(try !reader.header().isValid)
        try preserve(1..<2, in: area, chunks: 10)
        #expect(try reader.entries().count == 1)
        let again = try GrowingArea.open(
            on: device, ordinal: SnapshotOrdinal(rawValue: 1), format: format, originChunkCount: 10,
            kernel: kernel)
        #expect(again.isInvalid)
    }
}
