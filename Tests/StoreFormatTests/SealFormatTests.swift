import SnapshotModel
import StoreFormat
import System
import TestKit
import Testing

@Suite("A seal, byte by byte")
struct SealFormatTests {
    private static func snapshot(_ ordinal: Int, _ id: Int64, _ time: Int64) -> IndexFollower {
        IndexFollower(
            ordinal: SnapshotOrdinal(rawValue: ordinal), id: SnapshotID(rawValue: id),
            takenAt: Timestamp(stored: time))
    }

    private static func header() throws -> SealHeader {
        var map = ChunkMap()
        map.append(ChunkRun(origin: ChunkIndex(0), area: ChunkIndex(3), count: 1))
        map.append(ChunkRun(origin: ChunkIndex(2), area: ChunkIndex(2), count: 1))
        var tree = SealTree()
        tree.append(ChunkIndex(0), 0x0102_0304_0506_0708)
        tree.append(ChunkIndex(2), 0xF1F2_F3F4_F5F6_F7F8)
        let found = tree.root()
        let root = try #require(found)
        return SealHeader(
            chunkBytes: 4096, uuid: "00000000-0000-4000-8000-000000000001",
            owner: snapshot(1, 10, 1000), follower: snapshot(3, 12, 2000),
            digest: AreaDigest(map), listsChecksum: 0xA1B2_C3D4,
            sealedAt: Timestamp(stored: 3000), isLate: true, isGrowing: false, root: root)
    }

    @Test("the golden header of docs/on-disk.md, made by another program")
    func golden() throws {
        let bytes = SealFormat.encode(try Self.header())
        let text = bytes.map { $0.padded(to: 2, radix: 16) }.joined()
        #expect(text == SealGolden.header)
        #expect(try SealFormat.decode(bytes.span.bytes, fileBytes: 276) == Self.header())
    }

    @Test(
        "no cut and no flipped bit of a header is read, but a version that is newer is told as such"
    )
    func refused() throws {
        let bytes = SealFormat.encode(try Self.header())
        func fault(_ bytes: [UInt8], _ count: Int = 276) -> SealFault? {
            do throws(SealFault) {
                _ = try SealFormat.decode(bytes.span.bytes, fileBytes: count)
                return nil
            } catch { return error }
        }
        for count in 0..<bytes.count { #expect(fault(Array(bytes[..<count])) == .damaged) }
        for bit in 0..<bytes.count * 8 {
            var flipped = bytes
            flipped[bit / 8] ^= UInt8(1 << (bit % 8))
            #expect(fault(flipped) == .damaged, "bit \(bit)")
        }
        for count in [0, 275, 277, 284, Int.max] { #expect(fault(bytes, count) == .damaged) }
        var newer = bytes
        newer[4] = 9
        let checksum = CRC32C.checksum(newer[0..<252])
        for index in 0..<4 {
            newer[252 + index] = UInt8(truncatingIfNeeded: checksum >> (8 * index))
        }
        #expect(fault(newer) == .newer(9))
    }

    @Test("the tree is the same as another program makes it, with one leaf, several, and none")
    func trees() throws {
        for (count, root) in SealGolden.roots {
            var tree = SealTree()
            for index in 0..<count {
                tree.append(ChunkIndex(3 * index), UInt64(index) &* 0x9E37_79B9_7F4A_7C15)
            }
            let found = tree.root()?.map { $0.padded(to: 2, radix: 16) }.joined()
            #expect(found == root, "\(count)")
        }
    }

    @Test("sums are XXH3 with 64 bits, as its own vectors say")
    func sums() {
        func sum(_ bytes: [UInt8]) -> UInt64 { bytes.span.bytes.xxh3 }
        #expect(sum([]) == 0x2D06_8005_38D3_94C2)
        #expect(sum([UInt8]("a".utf8)) == 0xE6C6_32B6_1E96_4E1F)
        #expect(sum([UInt8](repeating: 0, count: 4096)) == SealGolden.zeroChunk)
    }

    @Test(
        "an area is read in windows by its chunks, each in the order of the file, from any place on"
    )
    func windows() throws {
        let disk = SimulatedDisk()
        let area = try disk.createFile("area", byteCount: 42 * 4096)
        let format = AreaFormat(chunkBytes: 4096)
        var map = ChunkMap()
        var random = SeededGenerator(seed: 5)
        let places = (2..<42).filter { !format.isMetadata(ChunkIndex($0)) }.shuffled(using: &random)
        for (index, place) in places.enumerated() {
            map.append(ChunkRun(origin: ChunkIndex(2 * index), area: ChunkIndex(place), count: 1))
            let bytes = [UInt8](repeating: UInt8(index), count: 4096)
            if index != 7 { try area.write(bytes.span.bytes, at: place * 4096) }
        }
        func read(_ position: ScrubPosition?, needed: ChunkSet? = nil) -> [Int: UInt64] {
            var sums: [Int: UInt64] = [:]
            var reader = AreaSums(area, format, map, needed: needed, windowCount: 16)
            while reader.beginWindow(position) {
                while reader.place != nil { _ = reader.step { sums[$0] = $1 } }
            }
            return sums
        }
        func sum(_ bytes: [UInt8]) -> UInt64 { bytes.span.bytes.xxh3 }
        let all = read(nil)
        #expect(all.count == 40)
        for index in 0..<40 {
            let bytes = [UInt8](repeating: index == 7 ? 0 : UInt8(index), count: 4096)
            #expect(all[index] == sum(bytes))
        }
        let rest = read(ScrubPosition(ordinal: SnapshotOrdinal(rawValue: 1), window: 16, place: 20))
        let expected = (0..<40).filter { $0 >= 32 || $0 >= 16 && places[$0] >= 20 }
        #expect(rest.keys.sorted() == expected)
        let needed = ChunkSet(ChunkIndex(9)..<ChunkIndex(33))
        #expect(read(nil, needed: needed).keys.sorted() == Array(5...16))
    }

    @Test("who stops within a long run, and goes on, leaves nothing out")
    func longRun() throws {
        let disk = SimulatedDisk()
        let bytes = 8192
        let count = 300
        let area = try disk.createFile("area", byteCount: (count + 2) * bytes)
        var map = ChunkMap()
        map.append(ChunkRun(origin: ChunkIndex(7), area: ChunkIndex(2), count: count))
        for index in 0..<count {
            let content = [UInt8](repeating: UInt8(index % 251), count: bytes)
            try area.write(content.span.bytes, at: (index + 2) * bytes)
        }
        func reader() -> AreaSums { AreaSums(area, AreaFormat(chunkBytes: bytes), map) }
        var whole: [Int: UInt64] = [:]
        var stops: [Int] = []
        var first = reader()
        while first.beginWindow() {
            while let place = first.place {
                stops.append(place)
                _ = first.step { whole[$0] = $1 }
            }
        }
        #expect(whole.count == count)
        #expect(stops == [2, 130, 258])
        for stop in stops {
            var rest = reader()
            let position = ScrubPosition(ordinal: SnapshotOrdinal(rawValue: 1), place: stop)
            let isThere = rest.beginWindow(position)
            #expect(isThere)
            #expect(rest.place == stop)
            var sums: [Int: UInt64] = [:]
            while rest.place != nil { _ = rest.step { sums[$0] = $1 } }
            #expect(sums.keys.sorted() == Array(stop - 2..<count))
            #expect(sums.allSatisfy { whole[$0.key] == $0.value })
        }
    }
}
