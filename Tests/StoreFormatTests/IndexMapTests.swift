import SnapshotModel
import StoreFormat
import System
import TestKit
import Testing

@Suite("A map of the index of views, byte by byte")
struct IndexMapTests {
    private static let uuid = "00000000-0000-4000-8000-000000000001"
    private static let shape = IndexShape.standard

    private static func record(uuid: String = uuid, chunkBytes: Int = 4096) -> VolumeRecord {
        VolumeRecord(
            name: "vol", uuid: uuid, driver: "image", originPath: "/o",
            geometry: Geometry(volumeBytes: 1 << 20, chunkBytes: chunkBytes),
            storeFullPolicy: .breakWrites, createdAt: Timestamp(stored: 0))
    }

    private static let codec = IndexMapCodec(record(), shape: shape)

    private static func block(_ level: Int, _ number: Int) throws -> IndexBlock {
        try #require(shape.block(level: level, number: number))
    }

    private static func run(_ origin: Int, _ count: Int, _ area: Int, of ordinal: Int) -> SourceRun
    {
        SourceRun(
            origin: ChunkIndex(origin), count: count, ordinal: SnapshotOrdinal(rawValue: ordinal),
            area: ChunkIndex(area))
    }

    /// An area of these runs: first chunk, chunks, first chunk in the area.
    private static func member(
        _ ordinal: Int, _ id: Int64, _ time: Int64, _ runs: [(Int, Int, Int)]
    ) -> IndexMember {
        var map = ChunkMap()
        for (origin, count, area) in runs {
            map.append(
                ChunkRun(origin: ChunkIndex(origin), area: ChunkIndex(area), count: count))
        }
        return IndexMember(
            ordinal: SnapshotOrdinal(rawValue: ordinal), id: SnapshotID(rawValue: id),
            takenAt: Timestamp(stored: time), digest: AreaDigest(map))
    }

    private static func follower(_ ordinal: Int) -> IndexFollower {
        IndexFollower(
            ordinal: SnapshotOrdinal(rawValue: ordinal), id: SnapshotID(rawValue: 15),
            takenAt: Timestamp(stored: 3000))
    }

    private static func sample() throws -> IndexMap {
        var chunks = SourceMap()
        for run in [run(0, 2, 2, of: 1), run(2, 1, 3, of: 3), run(7, 1, 4, of: 1)] {
            chunks.append(run)
        }
        return IndexMap(
            block: try block(1, 0),
            members: [
                member(1, 10, 1000, [(0, 2, 2), (7, 1, 4)]),
                member(3, 12, 2000, [(1, 1, 2), (2, 1, 3)]),
            ],
            follower: follower(8), chunks: chunks)
    }

    /// Made by a program of another language from docs/on-disk.md.
    private static let golden =
        "534d5649" + "01000000" + "0010000000000000"  // "SMVI", version 1, 4096 bytes to a chunk
        + "08000000" + "01000000" + "0000000000000000"  // fan-out 8, level 1, block 0
        + "30303030303030302d303030302d343030302d383030302d303030303030303030303031"  // the UUID
        + "00000000"
        + "0200000000000000" + "0300000000000000"  // 2 members, 3 runs
        + "0800000000000000" + "0f00000000000000" + "b80b000000000000"  // what followed
        + "0100000000000000" + "0a00000000000000" + "e803000000000000" + "0300000000000000"
        + "a29e671700000000"  // CRC-32C of its runs
        + "0300000000000000" + "0c00000000000000" + "d007000000000000" + "0200000000000000"
        + "23b9384d00000000"
        + "0000000000000000" + "0200000000000000" + "0200000000000000" + "0100000000000000"
        + "0200000000000000" + "0100000000000000" + "0300000000000000" + "0300000000000000"
        + "0700000000000000" + "0100000000000000" + "0400000000000000" + "0100000000000000"
        + "5ad03736"  // CRC-32C

    private static func bytes(_ hex: String) -> [UInt8] {
        let digits = Array(hex)
        return stride(from: 0, to: digits.count, by: 2).compactMap {
            UInt8(String(digits[$0...$0 + 1]), radix: 16)
        }
    }

    @Test("is written as the document says, and read back as it was")
    func golden() throws {
        let (golden, map) = (Self.bytes(Self.golden), try Self.sample())
        #expect(Self.codec.encode(map) == golden)
        #expect(try Self.codec.decode(golden, of: map.block) == map)
        #expect(IndexMapCodec.memberCount(golden.span.bytes) == 2)
    }

    @Test("is refused with any byte altered, and cut anywhere")
    func damage() throws {
        let (golden, block) = (Self.bytes(Self.golden), try Self.block(1, 0))
        for position in golden.indices {
            var file = golden
            file[position] ^= 0x40
            #expect(throws: IndexFault.self) { try Self.codec.decode(file, of: block) }
            #expect(throws: IndexFault.damaged) {
                try Self.codec.decode(Array(golden[..<position]), of: block)
            }
        }
    }

    /// The golden file with some bytes replaced, and a right checksum.
    private func sealed(_ bytes: [UInt8], at offset: Int) -> [UInt8] {
        var file = Self.bytes(Self.golden)
        file.replaceSubrange(offset..<offset + bytes.count, with: bytes)
        let checksum = CRC32C.checksum(file.dropLast(4))
        let digits = (0..<4).map { UInt8(truncatingIfNeeded: checksum >> (8 * $0)) }
        return file.dropLast(4) + digits
    }

    @Test("is none of ours in another version, of another store, or in another block's place")
    func foreign() throws {
        let golden = Self.bytes(Self.golden)
        let block = try Self.block(1, 0)
        func expectForeign(
            _ file: [UInt8], _ block: IndexBlock, _ codec: IndexMapCodec = Self.codec
        ) {
            #expect(throws: IndexFault.foreign) { try codec.decode(file, of: block) }
        }
        expectForeign(sealed([2], at: 4), block)
        expectForeign(golden, try Self.block(1, 1))
        expectForeign(golden, try Self.block(2, 0))
        let uuid = String(Self.uuid.dropLast()) + "2"
        expectForeign(
            golden, block, IndexMapCodec(Self.record(uuid: uuid), shape: Self.shape))
        expectForeign(
            golden, block, IndexMapCodec(Self.record(chunkBytes: 8192), shape: Self.shape))
        let narrow = IndexShape(fanOut: 4)
        expectForeign(
            golden, try #require(narrow.block(level: 1, number: 0)),
            IndexMapCodec(Self.record(), shape: narrow))
    }

    @Test("is damaged where it says what cannot be, whatever its checksum")
    func impossible() throws {
        let block = try Self.block(1, 0)
        let huge: [UInt8] = .init(repeating: 0xff, count: 8)
        let cases: [(offset: Int, bytes: [UInt8])] = [
            (72, [3]), (80, huge), (112, [0xff]), (112, [3]), (120, huge), (136, huge),
            (148, [1]), (192, huge), (200, [0]), (200, huge), (208, [1]), (208, huge),
            (216, [2]), (200, [3]), (216, huge), (68, [1]),
            // What followed the block, within it.
            (88, [7]), (88, huge), (96, huge),
            // A run that goes on where the one before has ended.
            (240, [4, 0, 0, 0, 0, 0, 0, 0, 1]),
            // Of a volume larger than any, and of its area.
            (192, [0, 0, 0, 0, 0, 0, 2]), (208, [0, 0, 0, 0, 0, 0, 2]),
            // Where an area has metadata: at chunk 258, and in the middle of a run.
            (208, [2, 1]), (208, [1, 1]),
        ]
        for (offset, bytes) in cases {
            #expect(throws: IndexFault.damaged, "\(bytes) at \(offset)") {
                try Self.codec.decode(sealed(bytes, at: offset), of: block)
            }
        }
    }

    @Test("is damaged, and not written, with more areas and runs together than a map may have")
    func tooMany() throws {
        let (golden, map) = (Self.bytes(Self.golden), try Self.sample())
        for (maximum, fits) in [(5, true), (4, false)] {
            let codec = IndexMapCodec(
                Self.record(), shape: IndexShape(fanOut: 8, itemsMaximum: maximum))
            let decoded = try? codec.decode(golden, of: map.block)
            #expect((decoded != nil) == fits)
            #expect((codec.encode(map) != nil) == fits)
        }
    }

    private func manifest(_ ordinal: Int, _ id: Int64, _ time: Int64) -> SnapshotManifest {
        SnapshotManifest(
            ordinal: SnapshotOrdinal(rawValue: ordinal), id: SnapshotID(rawValue: id),
            volumeBytes: 1 << 20, takenAt: Timestamp(stored: time),
            description: SnapshotDescription())
    }

    @Test("is surely of a chain that has what followed its areas, and of none with another there")
    func descent() throws {
        let map = try Self.sample()
        let present = [manifest(1, 10, 1000), manifest(3, 12, 2000)]
        #expect(map.descent(in: present, next: manifest(8, 15, 3000)) == .certain)
        #expect(map.descent(in: present.suffix(1), next: manifest(8, 15, 3000)) == .certain)
        #expect(map.descent(in: present, next: manifest(8, 16, 3000)) == .foreign)
        #expect(map.descent(in: present, next: manifest(8, 15, 3001)) == .foreign)
        // What followed has gone.
        #expect(map.descent(in: present, next: manifest(9, 16, 4000)) == .likely)
        #expect(map.descent(in: present, next: nil) == .foreign)
        let other = [manifest(1, 10, 1000), manifest(3, 13, 2000)]
        #expect(map.descent(in: other, next: manifest(8, 15, 3000)) == .foreign)
        #expect(map.descent(in: other, next: manifest(9, 16, 4000)) == .foreign)
        let later = IndexMap(
            block: map.block, members: map.members, follower: Self.follower(10), chunks: map.chunks)
        #expect(later.descent(in: present, next: manifest(9, 14, 2500)) == .foreign)
        #expect(later.descent(in: present, next: manifest(10, 15, 3000)) == .certain)
    }

    @Test("fits the snapshots that it was made of, and those that are left of them")
    func covers() throws {
        let map = try Self.sample()
        let (first, second) = (manifest(1, 10, 1000), manifest(3, 12, 2000))
        #expect(map.covers([first, second]))
        #expect(map.covers([second]))
        #expect(map.covers([]))
        #expect(!map.covers([first, manifest(2, 11, 1500), second]))
        #expect(!map.covers([first, manifest(3, 13, 2000)]))
        #expect(!map.covers([first, manifest(3, 12, 2001)]))
        #expect(!map.covers([first, second, manifest(4, 14, 3000)]))
    }

    @Test("blocks tile the chain at each level", arguments: [2, 3, 8])
    func blocks(fanOut: Int) throws {
        let shape = IndexShape(fanOut: fanOut)
        for ordinal in (0..<300).map(SnapshotOrdinal.init) {
            for level in 1...4 {
                let block = shape.block(level, with: ordinal)
                #expect(block.contains(ordinal))
                #expect(shape.block(level: level, number: block.number) == block)
                #expect(shape.block(level, with: block.end).start == block.end)
                guard level > 1 else { continue }
                let child = shape.block(level - 1, with: ordinal)
                #expect(block.start <= child.start && child.end <= block.end)
            }
        }
        #expect(shape.levels(before: SnapshotOrdinal(rawValue: fanOut - 1)) == nil)
        #expect(shape.levels(before: SnapshotOrdinal(rawValue: fanOut * fanOut)) == 1...2)
        #expect(shape.block(level: 0, number: 0) == nil)
        #expect(shape.block(level: 1, number: .max) == nil)
        #expect(shape.block(level: .max, number: 1) == nil)
    }
}
