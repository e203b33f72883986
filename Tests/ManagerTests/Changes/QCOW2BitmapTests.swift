import Glibc
import SnapshotModel
import System
import Testing
import TestKit

@testable import Manager

/// By a reader of its own; QEMU's is asked in the tests of the built program.
@Suite("QCOW2 images with a dirty bitmap")
struct QCOW2BitmapTests {
    private struct Reader {
        let bytes: [UInt8]

        func number(_ offset: Int, _ count: Int) -> Int {
            bytes[offset..<offset + count].reduce(0) { $0 << 8 | Int($1) }
        }

        func text(_ offset: Int, _ count: Int) -> String {
            String(decoding: bytes[offset..<offset + count], as: UTF8.self)
        }

        var clusterBytes: Int { 1 << number(20, 4) }
        var volumeBytes: Int { number(24, 8) }
        var content: String { text(number(8, 8), number(16, 4)) }

        /// Where the data of a header extension begins.
        func headerExtension(_ type: Int) -> Int? {
            var place = number(100, 4)
            while number(place, 4) != 0 {
                if number(place, 4) == type { return place + 8 }
                place += 8 + (number(place + 4, 4) + 7) / 8 * 8
            }
            return nil
        }

        /// What is set in the one bitmap, in bytes of the volume.
        func changed() throws -> (name: String, ranges: [Range<Int>]) {
            let field = try #require(headerExtension(0x2385_2875))
            #expect(number(field, 4) == 1)
            let entry = number(field + 16, 8)
            let (table, count) = (number(entry, 8), number(entry + 8, 4))
            let granularity = 1 << number(entry + 17, 1)
            let perCluster = clusterBytes * 8
            var ranges: [Range<Int>] = []
            for index in 0..<count {
                let place = number(table + index * 8, 8)
                guard place != 0 else { continue }
                for bit in 0..<perCluster {
                    let isSet =
                        place <= 1
                        ? place == 1 : bytes[place + bit / 8] >> UInt8(bit % 8) & 1 == 1
                    let start = (index * perCluster + bit) * granularity
                    guard isSet, start < volumeBytes else { continue }
                    let end = min(volumeBytes, start + granularity)
                    if let last = ranges.last, last.upperBound == start {
                        ranges[ranges.count - 1] = last.lowerBound..<end
                    } else {
                        ranges.append(start..<end)
                    }
                }
            }
            return (text(entry + 24, number(entry + 18, 2)), ranges)
        }
    }

    private func written(_ image: QCOW2Bitmap) throws -> Reader {
        let folder = TemporaryFolder()
        let file = try FileFolder(path: folder.path).createFile(
            "a", byteCount: image.fileBytes)
        try image.write(to: file)
        var buffer = AlignedBuffer(count: image.fileBytes)
        var bytes = buffer.mutableBytes
        try file.read(into: &bytes, at: 0)
        return Reader(bytes: buffer.bytes.array)
    }

    private func image(
        _ volumeBytes: Int, _ chunkBytes: Int, _ ranges: [Range<Int>]
    ) throws -> QCOW2Bitmap {
        try QCOW2Bitmap(
            volumeBytes: volumeBytes, chunkBytes: chunkBytes, name: "a@1..2",
            content: "nbd+unix:///a%402?socket=s", ranges: ranges)
    }

    @Test("the bits are the ranges, wherever they lie in clusters")
    func ranges() throws {
        let chunk = 4096
        // Three clusters of the bitmap: a mixed one, one that is all set, and a short one.
        let cluster = 8 * 65536 * chunk
        let bytes = 2 * cluster + 100 * chunk + 512
        var generator = SeededGenerator(seed: 7)
        var random: [Range<Int>] = []
        var position = 0
        while position < 3000 {
            let start = position + Int.random(in: 1...40, using: &generator)
            position = start + Int.random(in: 1...40, using: &generator)
            random.append(start * chunk..<position * chunk)
        }
        let cases: [[Range<Int>]] = [
            [], [0..<bytes], [0..<chunk], random, [cluster - chunk..<2 * cluster + chunk],
            random + [cluster..<2 * cluster, 2 * cluster + 99 * chunk..<bytes],
        ]
        for ranges in cases {
            let image = try image(bytes, chunk, ranges)
            let reader = try written(image)
            #expect(try reader.changed().ranges == ranges)
            #expect(try reader.changed().name == "a@1..2")
            #expect(reader.content == image.content && reader.volumeBytes == bytes)
            // Every cluster of the file is used once.
            let block = reader.number(reader.number(48, 8), 8)
            let counts = (0..<image.fileBytes / reader.clusterBytes + 2).map {
                reader.number(block + 2 * $0, 2)
            }
            #expect(counts.dropLast(2).allSatisfy { $0 == 1 } && counts.suffix(2) == [0, 0])
        }
        // What is the same all over a cluster takes none.
        #expect(try image(bytes, chunk, [0..<bytes]).fileBytes == image(bytes, chunk, []).fileBytes)
    }

    @Test("the file stays small, and within what QEMU takes, however large the volume")
    func large() throws {
        for bits in stride(from: 12, through: 60, by: 4) {
            let bytes = 1 << bits
            let image = try image(bytes, 4096, [bytes - 4096..<bytes])
            let granules = bytes >> image.granularityBits
            #expect(image.granularityBits <= 31 && granules / 8 <= 512 << 20)
            #expect((16...21).contains(image.clusterBits))
            #expect(image.fileBytes <= 64 << 20, "\(bits)")
        }
        // Bits that stand for more than a chunk stand for all that they touch.
        let exabyte = 1 << 60
        let image = try image(exabyte, 4096, [4096..<8192, 12288..<16384])
        let granularity = 1 << image.granularityBits
        #expect(granularity > 4096)
        #expect(try written(image).changed().ranges == [0..<granularity])
    }
}
