import SnapshotModel
import System
import Testing

@testable import Stream

@Suite("A stream that a stranger made is refused before it costs or changes anything")
struct HostileStreamTests {
    private static let beginning = StreamPreamble.encoded(version: 1)
    private static let volume = Streams.record("VOLU", Streams.volume.encoded)

    private static func begun(volumeBytes: Int = 1 << 20, isWhole: Bool = false) -> [UInt8] {
        let snapshot = Streams.snapshot(2, volumeBytes: volumeBytes, isWhole: isWhole)
        return beginning + volume + Streams.record("SNAP", snapshot.encoded)
    }

    /// What is wrong with a stream besides that it ends: nil when that is all.
    private func code(_ bytes: [UInt8]) -> Problem.Code? {
        let problem = Streams.words(bytes).problem
        return problem?.message.contains("was cut") == true ? nil : problem?.code
    }

    @Test("a version from the future, and what may not be passed over, is told as newer")
    func newer() {
        var preamble = StreamFormat.magic + [3, 0, 0, 0]
        let sum = preamble.span.bytes.crc32c()
        preamble += (0..<4).map { UInt8(truncatingIfNeeded: sum >> ($0 * 8)) }
        #expect(code(preamble + Self.volume) == .newerVersion)
        #expect(code(Self.begun() + Streams.record("NEWS", [1, 2, 3])) == .newerVersion)
        #expect(code(Self.begun() + Streams.record("HOLE", flags: 4, at: 0..<512)) == .newerVersion)
        var fields = StreamFieldWriter()
        fields.add(999, [1, 2, 3])
        let snapshot = Streams.snapshot(2, volumeBytes: 4096, isWhole: false).encoded
        let known = Self.beginning + Self.volume
        #expect(
            code(known + Streams.record("SNAP", snapshot + fields.bytes)) == .newerVersion)
    }

    @Test("what is marked so is passed over by its length, be it a record or a field")
    func skipped() throws {
        var field = StreamFieldWriter()
        field.add(999, [1, 2, 3])
        var skippable = field.bytes
        skippable[2] = 1
        let snapshot = Streams.snapshot(2, volumeBytes: 4096, isWhole: false)
        let read = Streams.words(
            Self.beginning + Self.volume
                + Streams.record("SNAP", snapshot.encoded + skippable)
                + Streams.record("NEWS", flags: 1, [UInt8](repeating: 9, count: 5000))
                + Streams.record("HOLE", at: 0..<512))
        #expect(read.words == [.snapshot(snapshot), .zeroes(0..<512, true)])
        #expect(read.problem?.message.contains("was cut") == true)
    }

    @Test("a length beyond all bounds takes no memory: it is refused by itself")
    func lengths() {
        for count: [UInt8] in [[0xFF, 0xFF, 0xFF, 0xFF], [1, 0, 0x20, 0]] {
            var record = Streams.record("DATA", [0], at: 0..<512)
            record.replaceSubrange(8..<12, with: count)
            let read = Streams.words(Self.begun() + record)
            #expect(read.problem?.message.contains("says that it has") == true)
        }
    }

    @Test(
        "a frame lies behind the last one, in sectors, in the volume",
        arguments: [0..<513, 1..<512, 512..<512, 1 << 20..<(1 << 20) + 512, 0..<Int.max])
    func places(range: Range<Int>) {
        #expect(code(Self.begun() + Streams.record("HOLE", at: range)) == .corrupt)
    }

    @Test("frames that overlap or go back are refused")
    func order() {
        let first = Streams.record("HOLE", at: 4096..<8192)
        for range in [0..<512, 4096..<8192, 7680..<8704] {
            let read = Streams.words(Self.begun() + first + Streams.record("ZERO", at: range))
            #expect(read.problem?.message.contains("where none can lie") == true)
        }
    }

    @Test("a frame has the data that it says, and not more than any can have")
    func data() {
        let long = 2 << 20
        #expect(
            code(
                Self.begun(volumeBytes: long)
                    + Streams.record("DATA", [UInt8](repeating: 1, count: long), at: 0..<long))
                == .corrupt)
        for record in [
            Streams.record("DATA", [1, 2, 3], at: 0..<512),
            Streams.record("DATA", flags: 2, [UInt8](repeating: 1, count: 512), at: 0..<512),
            Streams.record("DATA", flags: 2, [1, 2, 3], at: 0..<512),
            Streams.record("HOLE", [1], at: 0..<512),
        ] {
            #expect(code(Self.begun() + record) == .corrupt)
        }
    }

    @Test("a frame that becomes longer than it says is refused, whatever it was made of")
    func bomb() throws {
        let zeroes = [UInt8](repeating: 0, count: 1 << 20)
        let packer = try StreamPacker()
        let whole = packer.compress(zeroes.span.bytes, level: 19)
        let packed = try #require(whole)
        for count in [512, 1 << 19] {
            let record = Streams.record("DATA", flags: 2, packed, at: 0..<count)
            #expect(code(Self.begun() + record) == .corrupt)
        }
        // Two frames in one, and something behind one.
        let part = packer.compress(zeroes.span.bytes.extracting(0..<4096), level: 1)
        let half = try #require(part)
        for payload in [half + half, half + [0]] {
            let record = Streams.record("DATA", flags: 2, payload, at: 0..<8192)
            #expect(code(Self.begun() + record) == .corrupt)
        }
    }

    @Test("records come in their order: volume, snapshot, frames, its end, the end")
    func sequence() throws {
        let snapshot = Streams.record(
            "SNAP", Streams.snapshot(2, volumeBytes: 4096, isWhole: false).encoded)
        let frame = Streams.record("HOLE", at: 0..<512)
        let head = Self.beginning + Self.volume
        for bytes in [
            Self.beginning + snapshot, head + Self.volume, head + frame,
            head + snapshot + snapshot, head + Streams.record("TAKE"),
            head + snapshot + Streams.record("DONE"),
            Array("no stream at all, but a long enough text".utf8),
        ] {
            #expect(code(bytes) == .corrupt)
        }
        for bytes in [[], Self.beginning, head, head + snapshot] {
            #expect(Streams.words(bytes).problem?.message.contains("was cut") == true)
        }
        let whole = try Streams.bytes([])
        #expect(Streams.words(whole).problem == nil)
        #expect(code(whole + [0]) == .corrupt)
    }

    @Test("a whole snapshot has all of its bytes")
    func gaps() {
        let begun = Self.begun(volumeBytes: 4096, isWhole: true)
        #expect(code(begun + Streams.record("HOLE", at: 512..<4096)) == .corrupt)
        let read = Streams.words(
            begun + Streams.record("HOLE", at: 0..<512) + Streams.record("TAKE"))
        #expect(read.problem?.message.contains("lacks bytes") == true)
    }

    @Test("what a snapshot says of itself is within the bounds that any has")
    func fields() {
        func refused(_ change: (inout StreamSnapshot) -> Void) -> Bool {
            var snapshot = Streams.snapshot(2, volumeBytes: 4096, isWhole: false)
            change(&snapshot)
            let record = Streams.record("SNAP", snapshot.encoded)
            return code(Self.beginning + Self.volume + record) == .corrupt
        }
        #expect(refused { $0.volumeBytes = 0 })
        #expect(refused { $0.volumeBytes = 4095 })
        #expect(refused { $0.volumeBytes = Geometry.volumeBytesMaximum + 512 })
        #expect(refused { $0.uuid = "../../etc" })
        #expect(refused { $0.ordinal = SnapshotOrdinal(rawValue: Int.max) })
        #expect(refused { $0.id = SnapshotID(rawValue: Int64.max) })
        #expect(refused { $0.takenAt = .last })
        #expect(refused { $0.labels.name = "a/b" })
        #expect(refused { $0.labels.name = String(repeating: "a", count: 129) })
        #expect(refused { $0.labels.note = String(repeating: "a", count: 1025) })
        #expect(refused { $0.labels.tags = [String](repeating: "a", count: 1025) })
        #expect(refused { $0.base?.uuid = "" })
        #expect(!refused { $0.labels.tags = [String](repeating: "a", count: 1024) })
    }

    @Test(
        "only the first snapshot of a stream of version 2 goes on, within itself, and is whole from there on"
    )
    func resumed() {
        func problem(
            at offset: Int, version: UInt32 = 2, isWhole: Bool = false, _ frames: [UInt8] = []
        ) -> String? {
            var snapshot = Streams.snapshot(2, volumeBytes: 4096, isWhole: isWhole)
            snapshot.resumedAt = offset
            let bytes =
                StreamPreamble.encoded(version: version) + Self.volume
                + Streams.record("SNAP", snapshot.encoded) + frames
            let found = Streams.words(bytes).problem
            return found?.message.contains("was cut") == true ? nil : found?.message
        }
        #expect(problem(at: 512) == nil && problem(at: 4096) == nil)
        for offset in [0, 100, 4608, Int.max] {
            #expect(problem(at: offset)?.contains("goes on where none can") == true)
        }
        #expect(problem(at: 512, version: 1)?.contains("goes on that was not cut") == true)
        let before = Streams.record("HOLE", at: 0..<512)
        #expect(problem(at: 512, before)?.contains("lies where none can") == true)
        let gap = Streams.record("HOLE", at: 1024..<1536)
        #expect(problem(at: 512, gap) == nil)
        #expect(problem(at: 512, isWhole: true, gap)?.contains("lacks bytes from 512") == true)
        // A later one has nothing that it could go on from.
        var second = Streams.snapshot(3, volumeBytes: 4096, isWhole: false)
        second.resumedAt = 512
        let words: [StreamWord] = [
            .snapshot(Streams.snapshot(2, volumeBytes: 4096, isWhole: false)), .take,
            .snapshot(second), .take,
        ]
        let late = try? Streams.words(Streams.bytes(words, resumes: true)).problem
        #expect(late?.message.contains("goes on that was not cut") == true)
    }

    @Test("what a volume says of itself is within the bounds that any has")
    func volumes() {
        func refused(_ change: (inout StreamVolume) -> Void) -> Bool {
            var volume = Streams.volume
            change(&volume)
            let read = Streams.words(Self.beginning + Streams.record("VOLU", volume.encoded))
            return read.problem?.message.contains("was cut") != true
        }
        #expect(refused { $0.name = "a b" })
        #expect(refused { $0.uuid = "" })
        #expect(refused { $0.chunkBytes = 4097 })
        #expect(refused { $0.chunkBytes = 1 << 20 })
        #expect(!refused { $0.chunkBytes = 65_536 })
    }
}
