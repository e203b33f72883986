import System
import StoreFormat
import SnapshotModel
import TestKit
import Testing

@Suite("The store's small files are read whole and unaltered, or refused")
struct RecordTests {
    private let record = VolumeRecord(
        name: "vol", uuid: "u", driver: "image", originPath: "/simulated/origin.raw",
        geometry: Geometry(volumeBytes: 1 << 20, chunkBytes: 4096), storeFullPolicy: .breakWrites,
        createdAt: Timestamp(stored: VirtualClock.start))

    private func decode(
        _ bytes: [UInt8], as format: RecordCodec.Format = .volume
    ) throws(Problem) -> VolumeRecord {
        try RecordCodec.decode(
            VolumeRecord.self, from: bytes, as: format, path: "store/volume.json")
    }

    private func code(_ body: () throws(Problem) -> VolumeRecord) -> Problem.Code? {
        do throws(Problem) {
            _ = try body()
            return nil
        } catch {
            #expect(error.message.contains("store/volume.json"))
            return error.code
        }
    }

    @Test("what was encoded is decoded, and encoded to the same bytes")
    func roundTrip() throws {
        let bytes = try RecordCodec.encode(record, as: .volume)
        #expect(try decode(bytes) == record)
        #expect(try RecordCodec.encode(decode(bytes), as: .volume) == bytes)
        #expect(bytes.last == UInt8(ascii: "\n"))
    }

    @Test("a record that is torn anywhere is refused as damaged")
    func torn() throws {
        let bytes = try RecordCodec.encode(record, as: .volume)
        for count in 0..<bytes.count - 1 {
            #expect(code { () throws(Problem) in try decode(Array(bytes[..<count])) } == .corrupt)
        }
    }

    @Test("a flipped bit anywhere is refused, or changes nothing that is read")
    func flipped() throws {
        let bytes = try RecordCodec.encode(record, as: .volume)
        for position in bytes.indices {
            var altered = bytes
            altered[position] ^= 1
            do throws(Problem) {
                #expect(try decode(altered) == record, "byte \(position)")
            } catch {
                #expect(error.code == .corrupt || error.code == .newerVersion, "byte \(position)")
            }
        }
    }

    @Test("a record of another kind is refused, and one of a newer version says so")
    func otherKinds() throws {
        let bytes = try RecordCodec.encode(record, as: .volume)
        #expect(code { () throws(Problem) in try decode(bytes, as: .manifest) } == .corrupt)
        let text = String(decoding: bytes, as: UTF8.self)
        let next = RecordCodec.Format.volume.version + 1
        let newer = text.replacing("\"version\":2", with: "\"version\":\(next)")
        #expect(newer != text)
        #expect(code { () throws(Problem) in try decode([UInt8](newer.utf8)) } == .newerVersion)
        // Also when it has fields that this version does not know.
        let strange = #"{"format":"snapmgr-volume","version":7,"whatever":[]}"#
        #expect(code { () throws(Problem) in try decode([UInt8](strange.utf8)) } == .newerVersion)
    }

    @Test("a record of version 1, as the first release wrote it, is read for ever")
    func versionOne() throws {
        let written =
            #"{"checksum":"04dd50db","content":{"createdAt":"2026-11-28T18:46:25.508272756Z","#
            + #""driver":"image","endedReverts":[],"geometry":{"chunkBytes":16384,"#
            + #""volumeBytes":1048576},"idFloor":{"revert":0,"set":0,"snapshot":0},"name":"vol","#
            + #""originPath":"/tmp/gold/o.img","storeFullPolicy":"break-writes","#
            + #""uuid":"a192ac7d-2014-442f-954e-df9791c7d3d2"},"format":"snapmgr-volume","version":1}"#
        let record = try decode([UInt8](written.utf8))
        #expect(record.name == "vol" && record.geometry.volumeBytes == 1_048_576)
        let altered = written.replacing("1048576", with: "1048577")
        #expect(code { () throws(Problem) in try decode([UInt8](altered.utf8)) } == .corrupt)
    }

    private struct Content: Hashable, Codable { var text = "what a record says" }

    @Test(
        "each kind of record has a version of its own, and a later one is told as newer",
        arguments: RecordCodec.Format.allCases)
    func laterVersion(_ format: RecordCodec.Format) throws {
        let bytes = try RecordCodec.encode(Content(), as: format)
        #expect(
            try RecordCodec.decode(Content.self, from: bytes, as: format, path: "x") == Content())
        let text = String(decoding: bytes, as: UTF8.self)
        let (own, next) = ("\(format.version)", "\(format.version + 1)")
        let later = text.replacing("\"version\":\(own)", with: "\"version\":\(next)")
        do throws(Problem) {
            _ = try RecordCodec.decode(
                Content.self, from: [UInt8](later.utf8), as: format, path: "store/x")
            Issue.record("a later version was read")
        } catch {
            #expect(error.code == .newerVersion)
            #expect(error.message == "store/x has version \(next); this snapmgr reads up to \(own)")
        }
    }

    @Test(
        "version 1 of each kind of record is read", arguments: RecordCodec.Format.allCases)
    func firstVersion(_ format: RecordCodec.Format) throws {
        let content = #"{"text":"what a record says"}"#
        func record(_ summed: String) -> [UInt8] {
            let digits = String(CRC32C.checksum(Array(summed.utf8)), radix: 16)
            let sum = String(repeating: "0", count: 8 - digits.count) + digits
            let head = #"{"checksum":"\#(sum)","content":\#(content),"#
            return [UInt8]((head + #""format":"\#(format.rawValue)","version":1}"#).utf8)
        }
        #expect(
            try RecordCodec.decode(Content.self, from: record(content), as: format, path: "x")
                == Content())
        #expect(throws: Problem.self) {
            try RecordCodec.decode(Content.self, from: record("other"), as: format, path: "x")
        }
    }

    @Test("R7: the checksum is that of the bytes as they stand, whatever is in them")
    func bytesAsTheyStand() throws {
        // A field that this version does not know, and spaces that its encoder would not write.
        let content = String(
            decoding: try RecordCodec.encode(record, as: .volume).dropFirst(33), as: UTF8.self)
        let body = #"{ "whatever": [1, 2], "# + content.dropFirst()
        let blank = #"{"checksum":"00000000","content":"# + body
        let digits = String(CRC32C.checksum(Array(blank.utf8)), radix: 16)
        let sum = String(repeating: "0", count: 8 - digits.count) + digits
        let text = blank.replacing("00000000", with: sum, maxReplacements: 1)
        #expect(try decode([UInt8](text.utf8)) == record)
        // As if another printer of JSON had been at it.
        let printed = text.replacing("[1, 2]", with: "[1,2]")
        #expect(code { () throws(Problem) in try decode([UInt8](printed.utf8)) } == .corrupt)
    }

    @Test("folders that are none of the store's are not taken for snapshots")
    func folderNames() {
        #expect(StoreLayout.number(of: "000042") == 42)
        #expect(StoreLayout.number(of: "1000000") == 1_000_000)
        for name in [
            "42", "0000042", "000000", "00004x", "-00042", "", "٠٠٠٠٤٢", "000042.new",
            "9223372036854775807",
        ] {
            #expect(StoreLayout.number(of: name) == nil, "\(name)")
        }
        let ordinal = SnapshotOrdinal(rawValue: 42)
        #expect(StoreLayout.area(ordinal) == "snapshots/000042/area.cow")
        #expect(StoreLayout.journal(RevertID(rawValue: 7)) == "reverts/000007/journal")
    }
}

@Suite("A merge's journal")
struct MergeJournalTests {
    private let disk = SimulatedDisk()
    private let id = RevertID(rawValue: 7)

    private func range(_ start: Int, _ count: Int) -> Range<ChunkIndex> {
        ChunkIndex(start)..<ChunkIndex(start + count)
    }

    private func create() throws -> (MergeJournal, any BlockDevice) {
        let device = try disk.createFile("journal", byteCount: 0)
        return (try MergeJournal.create(on: device, revert: id, chunkBytes: 4096), device)
    }

    private func open(
        _ device: any BlockDevice, isWritable: Bool = true, chunkCount: Int = 1000,
        revert: Int64 = 7, chunkBytes: Int = 4096
    ) throws(Problem) -> (MergeJournal, Set<Int>) {
        let (journal, merged) = try MergeJournal.open(
            on: device, isWritable: isWritable, revert: RevertID(rawValue: revert),
            chunkBytes: chunkBytes, chunkCount: chunkCount)
        return (journal, Set(merged.ranges.joined().map(\.rawValue)))
    }

    private func code(_ body: () throws(Problem) -> Void) -> Problem.Code? {
        do throws(Problem) {
            try body()
            return nil
        } catch { return error.code }
    }

    @Test("what was noted is read back, also after more was noted by a later owner")
    func roundTrip() throws {
        let (journal, device) = try create()
        #expect(try open(device).1.isEmpty)
        try journal.append([range(3, 2), range(9, 1)])
        try journal.append([])
        // More ranges than one record holds.
        try journal.append((0..<31).map { range(100 + 2 * $0, 1) })
        let (later, merged) = try open(device)
        let expected = Set([3, 4, 9] + (0..<31).map { 100 + 2 * $0 })
        #expect(merged == expected)
        #expect(try device.byteCount() == 4 * 512)
        try later.append([range(500, 3)])
        #expect(try open(device, isWritable: false).1 == expected.union([500, 501, 502]))
    }

    @Test("a note is durable when it is acknowledged")
    func durable() throws {
        let (journal, _) = try create()
        try disk.syncFolder("")
        try journal.append([range(1, 1)])
        var random = SeededGenerator(seed: 1)
        let image = disk.crashImage(using: &random, mode: .dropAll)
        #expect(try open(image.openFile("journal", writable: true)).1 == [1])
    }

    @Test("the list ends at a record that is torn, altered, cut off or another's", arguments: 0..<4)
    func ends(damage: Int) throws {
        let (journal, device) = try create()
        for chunk in 0..<4 { try journal.append([range(chunk, 1)]) }
        let third = 3 * 512
        switch damage {
        case 0: try device.punch(third + 256..<third + 512)
        case 1: try device.write([0x55], at: third + 20)
        case 2: try device.resize(to: third + 511)
        default: try device.write(device.content(2 * 512..<3 * 512), at: third)
        }
        let (again, merged) = try open(device)
        #expect(merged == [0, 1])
        // It goes on where the list ended.
        try again.append([range(70, 1)])
        #expect(try open(device).1.isSuperset(of: [0, 1, 70]))
    }

    @Test("a journal of a newer version, of another revert or chunk size, or no journal is refused")
    func refused() throws {
        let (_, device) = try create()
        #expect(code { () throws(Problem) in _ = try open(device, revert: 8) } == .corrupt)
        #expect(code { () throws(Problem) in _ = try open(device, chunkBytes: 512) } == .corrupt)
        let header = try device.content(0..<508)
        var newer = header
        newer[4] = 2
        let checksum = withUnsafeBytes(of: CRC32C.checksum(newer).littleEndian) { [UInt8]($0) }
        try device.write(newer + checksum, at: 0)
        #expect(code { () throws(Problem) in _ = try open(device) } == .newerVersion)
        try device.write([UInt8](repeating: 0, count: 512), at: 0)
        #expect(code { () throws(Problem) in _ = try open(device) } == .corrupt)
        try device.resize(to: 0)
        #expect(code { () throws(Problem) in _ = try open(device) } == .corrupt)
    }

    @Test("a chunk beyond the volume is damage")
    func beyond() throws {
        let (journal, device) = try create()
        try journal.append([range(998, 2)])
        #expect(try open(device).1 == [998, 999])
        #expect(code { () throws(Problem) in _ = try open(device, chunkCount: 999) } == .corrupt)
    }

    @Test("a record with an impossible count or length is none")
    func impossible() throws {
        let (journal, device) = try create()
        try journal.append([range(1, 1)])
        let sound = try device.content(512..<1020)
        func decoded(_ change: (inout [UInt8]) -> Void) -> [Range<ChunkIndex>]? {
            var bytes = sound
            change(&bytes)
            bytes += withUnsafeBytes(of: CRC32C.checksum(bytes).littleEndian) { [UInt8]($0) }
            return MergeJournal.decode(bytes.span.bytes, record: 1)
        }
        #expect(decoded { _ in } == [range(1, 1)])
        #expect(decoded { $0[8] = 0 } == nil)
        #expect(decoded { $0[8] = 31 } == nil)
        #expect(decoded { $0[23] = 0x80 } == nil)
        #expect(decoded { $0[31] = 0x80 } == nil)
        #expect(decoded { $0[0] = 2 } == nil)
    }
}
