import MergeKit
import SnapshotModel
import StoreFormat
import System
import TestKit
import Testing

@Suite("Trims and zeroes over holes")
struct HoleTests {
    /// The chunks that were preserved since the snapshot.
    private func preserved(_ volume: EngineFixture, since ordinal: Int = 1) throws -> [Int] {
        try StoreReader(folder: volume.disk).chunkMap(of: SnapshotOrdinal(rawValue: ordinal))
            .runs.flatMap { run in (0..<run.count).map { run.origin.rawValue + $0 } }
    }

    /// A block of a snapshot, or of the volume.
    private func bytes(of id: Int64?, _ volume: EngineFixture, at offset: Int) throws -> [UInt8] {
        var buffer = AlignedBuffer(count: 4096)
        var bytes = buffer.mutableBytes
        if let id {
            let view = try volume.engine.openView(of: SnapshotID(rawValue: id))
            defer { view.close() }
            try view.read(into: &bytes, at: offset)
        } else {
            try volume.engine.read(into: &bytes, at: offset)
        }
        return buffer.bytes.array
    }

    @Test("what is a hole already makes no exception, and what is none does")
    func holes() throws {
        let volume = try EngineFixture(chunks: 64)
        try volume.write(7, to: 5, 6, 40)
        try volume.snapshot(1)
        try volume.engine.zero(0..<64 * 4096)
        #expect(try preserved(volume) == [5, 6, 40])
        #expect(try volume.content(1) == (0..<64).map { [5, 6, 40].contains($0) ? 7 : 0 })
        #expect(try volume.content() == [UInt8](repeating: 0, count: 64))
        // All of it is a hole now.
        try volume.snapshot(2)
        try volume.engine.zero(0..<64 * 4096, forceUnitAccess: true)
        #expect(try preserved(volume, since: 2) == [])
    }

    @Test("data anywhere in a chunk is preserved, and stretches in one chunk are one exception")
    func corners() throws {
        let volume = try EngineFixture(bytes: 16 << 16, chunkBytes: 1 << 16)
        let block = [UInt8](repeating: 3, count: 4096)
        for offset in [(3 << 16) + (15 << 12), (5 << 16), (5 << 16) + (7 << 12), (6 << 16) + 4096] {
            try volume.engine.write(block.span.bytes, at: offset)
        }
        try volume.snapshot(1)
        // It begins and ends within chunks.
        try volume.engine.zero((3 << 16) + 512..<(6 << 16) + 8192)
        #expect(try preserved(volume) == [3, 5, 6])
        for offset in [(3 << 16) + (15 << 12), (5 << 16), (5 << 16) + (7 << 12), (6 << 16) + 4096] {
            #expect(try bytes(of: 1, volume, at: offset) == block)
            #expect(try bytes(of: nil, volume, at: offset) == [UInt8](repeating: 0, count: 4096))
        }
    }

    @Test("trims of an empty volume of 128 TiB cost nothing and change nothing")
    func empty() throws {
        let volume = try EngineFixture(bytes: 128 << 40, chunkBytes: 1 << 16)
        try volume.snapshot(1)
        let before = volume.disk.operations
        for start in stride(from: 0, to: 128 << 40, by: 16 << 40) {
            try volume.engine.zero(start..<start + (4 << 30) - 4096)
        }
        #expect(try preserved(volume) == [])
        #expect(volume.disk.operations - before < 50)
    }

    @Test(
        "in mid-merge a trim of a chunk that is not merged yet preserves what the volume reads as")
    func merging() throws {
        let volume = try EngineFixture(chunks: 8)
        try volume.write(1, to: 0..<4)
        try volume.snapshot(1)
        try volume.engine.zero(0..<8 * 4096)
        try volume.revert(1, to: 1, safety: 2)
        try volume.snapshot(3)
        // The origin has holes still; the volume has not.
        try volume.engine.zero(0..<8 * 4096)
        #expect(try volume.content(3) == [1, 1, 1, 1, 0, 0, 0, 0])
        #expect(try volume.content(2) == [UInt8](repeating: 0, count: 8))
        #expect(try volume.content() == [UInt8](repeating: 0, count: 8))
    }
}
