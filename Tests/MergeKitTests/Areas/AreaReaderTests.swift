import System
import Glibc
import MergeKit
import StoreFormat
import SnapshotModel
import TestKit
import Testing

@Suite("Damaged areas are refused, each for its own reason")
struct AreaReaderTests {
    private let format = AreaFormat(chunkBytes: 512)
    private let disk = SimulatedDisk()

    /// Crafts an area of 512-byte chunks: 32 entries a block, an origin of 100 chunks.
    private func craft(
        _ entries: [(UInt64, UInt64)], header: [UInt32] = [0x7041_6e53, 1, 1, 1], chunks: Int = 105
    ) throws -> AreaReader {
        let device = try disk.createFile("area", byteCount: chunks * 512)
        func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
            withUnsafeBytes(of: value.littleEndian) { [UInt8]($0) }
        }
        try device.write(header.flatMap { bytes($0) }, at: 0)
        for (index, entry) in entries.enumerated() {
            let chunk = format.metadataChunk(index / 32)
            try device.write(
                bytes(entry.0) + bytes(entry.1), at: chunk.rawValue * 512 + index % 32 * 16)
        }
        return AreaReader(device: device, format: format, originChunkCount: 100)
    }

    @Test("an empty list and a sound header are read")
    func empty() throws {
        let reader = try craft([])
        #expect(try reader.header().isValid)
        #expect(try reader.entries().isEmpty)
        #expect(try reader.chunkMap().isEmpty)
    }

    @Test("a kernel's list with gaps among the area's chunks, in any order of the origin, is read")
    func kernelMade() throws {
        let reader = try craft([(50, 2), (3, 7), (51, 5), (4, 8), (99, 104)])
        #expect(try reader.entries().map(\.area.rawValue) == [2, 7, 5, 8, 104])
        let map = try reader.chunkMap()
        #expect(
            map.runs == [
                ChunkRun(origin: ChunkIndex(3), area: ChunkIndex(7), count: 2),
                ChunkRun(origin: ChunkIndex(50), area: ChunkIndex(2), count: 1),
                ChunkRun(origin: ChunkIndex(51), area: ChunkIndex(5), count: 1),
                ChunkRun(origin: ChunkIndex(99), area: ChunkIndex(104), count: 1),
            ])
        // The writer takes the gap first: the kernel would go on behind the highest chunk.
        let device = try disk.openFile("area", writable: true)
        let area = try GrowingArea.open(
            on: device, ordinal: SnapshotOrdinal(rawValue: 1), format: format,
            originChunkCount: 100, kernel: CopyKernel())
        try disk.origin().resize(to: 51_200)
        try area.preserve(
            [ChunkIndex(0)..<ChunkIndex(1)], of: disk.origin(),
            geometry: Geometry(volumeBytes: 51_200, chunkBytes: 512))
        #expect(area.areaChunk(for: ChunkIndex(0)) == ChunkIndex(3))
    }

    @Test("the valid flag is reported and is not damage", arguments: [0, 1] as [UInt32])
    func validFlag(flag: UInt32) throws {
        let reader = try craft([], header: [0x7041_6e53, flag, 1, 1])
        #expect(try reader.header().isValid == (flag == 1))
    }

    @Test("a wrong header is refused")
    func wrongHeaders() throws {
        let cases: [([UInt32], AreaFault)] = [
            ([0, 1, 1, 1], .wrongMagic(0)),
            ([0x5370_416e, 1, 1, 1], .wrongMagic(0x5370_416e)),
            ([0x7041_6e53, 1, 2, 1], .unknownVersion(2)),
            ([0x7041_6e53, 1, 0, 1], .unknownVersion(0)),
            ([0x7041_6e53, 1, 1, 8], .wrongChunkSize(sectors: 8, expectedBytes: 512)),
            (
                [0x7041_6e53, 1, 1, .max], .wrongChunkSize(sectors: .max, expectedBytes: 512)
            ),
        ]
        for (header, fault) in cases {
            let reader = try craft([], header: header)
            #expect(throws: fault) { try reader.header() }
            try disk.removeFile("area")
        }
    }

    @Test("a file without room for header and metadata is too short", arguments: [0, 1])
    func tooShort(chunks: Int) throws {
        let device = try disk.createFile("area", byteCount: chunks * 512 + 511)
        let reader = AreaReader(device: device, format: format, originChunkCount: 100)
        #expect(throws: AreaFault.tooShort(chunks * 512 + 511)) { try reader.header() }
    }

    @Test("an entry that no writer can have written is refused, with its slot")
    func wrongEntries() throws {
        let cases: [([(UInt64, UInt64)], AreaFault)] = [
            ([(1, 2), (100, 3)], .originChunkOutOfRange(100, slot: 1)),
            ([(.max, 2)], .originChunkOutOfRange(.max, slot: 0)),
            ([(1, 105)], .areaChunkOutOfRange(105, slot: 0)),
            ([(1, 1 << 63)], .areaChunkOutOfRange(1 << 63, slot: 0)),
            ([(1, 1)], .metadataPosition(1, slot: 0)),
            ([(0, 2), (1, 34)], .metadataPosition(34, slot: 1)),
        ]
        for (entries, fault) in cases {
            let reader = try craft(entries)
            #expect(throws: fault) { try reader.entries() }
            try disk.removeFile("area")
        }
    }

    @Test("an origin chunk or an area's chunk with two entries is refused")
    func twice() throws {
        let origin = try craft([(1, 2), (2, 3), (1, 4)])
        #expect(throws: AreaFault.originChunkTwice(1)) { try origin.chunkMap() }
        try disk.removeFile("area")
        let area = try craft([(1, 2), (2, 3), (9, 3)])
        #expect(throws: AreaFault.areaChunkTwice(3)) { try area.chunkMap() }
    }

    @Test("a full block whose successor is cut off has no end")
    func unterminated() throws {
        let full = (0..<32).map { (UInt64($0), UInt64($0 + 2)) }
        let sound = try craft(full, chunks: 35)
        #expect(try sound.entries().count == 32)
        try disk.removeFile("area")
        let cut = try craft(full, chunks: 34)
        #expect(throws: AreaFault.unterminated) { try cut.entries() }
        #expect(try cut.entries(limit: 32).count == 32)
    }

    @Test("a failed read is reported as that, not as damage")
    func unreadable() throws {
        let reader = try craft([(1, 2)])
        disk.faults = FaultPlan(.error(EIO), kinds: [.read], after: 0, isPermanent: true)
        let failure = AreaFault.unreadable(IOFailure("read", path: "/simulated/area", code: EIO))
        #expect(throws: failure) { try reader.header() }
        #expect(throws: failure) { try reader.entries() }
    }
}
