@testable import Catalog
import SnapshotModel
import Testing

@Suite("The blob of a chunk map's segment")
struct ChunkRunCodecTests {
    private static func sealed(_ body: [UInt8]) -> [UInt8] {
        let checksum = CRC32C.checksum(body[...])
        return body + (0..<4).map { UInt8(truncatingIfNeeded: checksum >> (8 * $0)) }
    }

    @Test("the checksum is CRC32C: the vectors of RFC 3720 B.4")
    func checksum() {
        #expect(CRC32C.checksum(Array("123456789".utf8)[...]) == 0xE306_9283)
        #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)[...]) == 0x8A91_36AA)
        #expect(CRC32C.checksum([UInt8](repeating: 0xFF, count: 32)[...]) == 0x62A8_AB43)
    }

    @Test("the bytes are those that the format describes")
    func golden() throws {
        let base = 3 * ChunkSegment.span
        let runs = [
            ChunkRun(origin: ChunkIndex(base + 5), area: ChunkIndex(200), count: 3),
            ChunkRun(origin: ChunkIndex(base + 8), area: ChunkIndex(74), count: 1),
        ]
        let expected = Self.sealed([1, 2, 5, 2, 0x90, 0x03, 0, 0, 0x81, 0x02])
        #expect(try ChunkRunCodec.encode(runs[...], from: base) == expected)
        #expect(try ChunkRunCodec.decode(expected, from: base) == runs)
    }

    @Test("any flipped bit is noticed")
    func flips() throws {
        let runs = (0..<20).map {
            ChunkRun(origin: ChunkIndex($0 * 7), area: ChunkIndex(1000 - $0 * 3), count: 2)
        }
        let blob = try ChunkRunCodec.encode(runs[...], from: 0)
        for bit in 0..<(8 * blob.count) {
            var damaged = blob
            damaged[bit / 8] ^= 1 << (bit % 8)
            expectError(.corrupt) { _ = try ChunkRunCodec.decode(damaged, from: 0) }
        }
    }

    @Test("a blob cut anywhere is noticed")
    func truncation() throws {
        let blob = try ChunkRunCodec.encode(
            [ChunkRun(origin: ChunkIndex(1), area: ChunkIndex(2), count: 3)], from: 0)
        for length in 0..<blob.count {
            expectError(.corrupt) {
                _ = try ChunkRunCodec.decode(Array(blob.prefix(length)), from: 0)
            }
        }
    }

    @Test(
        "nonsense with a good checksum is refused",
        arguments: [
            [2, 1, 0, 0, 0],  // another version
            [1, 0],  // no runs
            [1, 2, 0, 0, 0],  // fewer runs than it says
            [1, 1, 0, 0, 0, 0],  // bytes after the last run
            [1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0, 0, 0],  // 2^63 - 1 runs
            [1, 1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 0, 0],  // 10 bytes
            [1, 1, 0x80, 0x80, 0x04, 0, 0],  // begins behind the span
            [1, 1, 0, 0, 1],  // negative area chunk
            [1, 1, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0],  // endless run
            [1, 1, 0, 0, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],  // area far away
            [1, 2, 0xFF, 0xFF, 0x03, 0, 0, 0, 0, 0],  // second run begins behind the span
        ] as [[UInt8]])
    func nonsense(body: [UInt8]) {
        expectError(.corrupt) { _ = try ChunkRunCodec.decode(Self.sealed(body), from: 0) }
    }

    @Test("random bodies with a good checksum decode to what they say, or are refused")
    func fuzz() throws {
        var generator = SeededGenerator(seed: 42)
        for _ in 0..<20_000 {
            let length = Int.random(in: 1...24, using: &generator)
            let bytes = (0..<length).map { _ in UInt8.random(in: 0...255, using: &generator) }
            let blob = Self.sealed([1, UInt8.random(in: 0...4, using: &generator)] + bytes)
            do {
                for run in try ChunkRunCodec.decode(blob, from: 0) {
                    #expect(run.count > 0 && run.area.rawValue >= 0)
                    #expect(run.origin.rawValue < ChunkSegment.span)
                }
            } catch let error as CatalogError {
                #expect(error.code == .corrupt)
            }
        }
    }
}
