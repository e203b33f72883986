import TestKit
import Testing

@testable import DeviceMapper

@Suite("Tables")
struct DeviceTableTests {
    private static let disk = DeviceReference.number(DeviceNumber(major: 253, minor: 7))

    @Test("a table prints as dmsetup prints it, and is read again")
    func text() throws {
        let table = DeviceTable(
            consecutive: [
                (8, .linear(device: Self.disk, offset: 2048)),
                (16, .linear(device: .path("/dev/vg/lv"), offset: 0)),
                (32, .snapshotOrigin(Self.disk)),
                (
                    64,
                    .snapshot(origin: Self.disk, exceptions: .path("/dev/loop3"), chunkSectors: 8)
                ),
                (
                    64,
                    .snapshotMerge(
                        origin: Self.disk, exceptions: Self.disk, chunkSectors: 128,
                        store: .persistentOverflow)
                ),
                (1, .zero), (1, .error),
                (2, .other(kind: "flakey", arguments: ["253:7", "0", "1"])),
            ])
        let text = """
            0 8 linear 253:7 2048
            8 16 linear /dev/vg/lv 0
            24 32 snapshot-origin 253:7
            56 64 snapshot 253:7 /dev/loop3 P 8
            120 64 snapshot-merge 253:7 253:7 PO 128
            184 1 zero
            185 1 error
            186 2 flakey 253:7 0 1

            """
        #expect(table.text == text)
        #expect(try DeviceTable(text: text) == table)
        #expect(table.sectorCount == 188)
    }

    @Test("parsing what is printed gives the same table again", arguments: 0..<200 as Range<UInt64>)
    func roundTrip(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let table = RandomTable.make(using: &generator)
        try table.validate()
        #expect(try DeviceTable(text: table.text) == table)
    }

    @Test("no text ends a parse but by a table or a failure", arguments: 0..<200 as Range<UInt64>)
    func garbage(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var bytes = Array(RandomTable.make(using: &generator).text.utf8)
        for _ in 0..<Int.random(in: 1...8, using: &generator) {
            let position = Int.random(in: 0..<bytes.count, using: &generator)
            switch Int.random(in: 0..<3, using: &generator) {
            case 0: bytes[position] = UInt8.random(in: 0...255, using: &generator)
            case 1: bytes.insert(contentsOf: " -9\\\n:".utf8, at: position)
            default: bytes.removeSubrange(position..<min(bytes.count, position + 3))
            }
        }
        guard let table = try? DeviceTable(text: String(decoding: bytes, as: UTF8.self)) else {
            return
        }
        #expect((try? DeviceTable(text: table.text)) == table)
    }

    @Test("blanks and backslashes within an argument are escaped as the kernel reads them")
    func escapes() throws {
        let table = DeviceTable(
            sectorCount: 8, .linear(device: .path("/dev/my disk\\1\t\n"), offset: 3))
        #expect(table.text == "0 8 linear /dev/my\\ disk\\\\1\\\t\\\n 3\n")
        #expect(try DeviceTable(text: table.text) == table)
    }

    @Test("arguments that are not understood are kept as they are")
    func unknownArguments() throws {
        let text = "0 8 snapshot 253:0 253:1 P 8 1 discard_zeroes_cow\n"
        let table = try DeviceTable(text: text)
        #expect(
            table.segments[0].target
                == .other(
                    kind: "snapshot",
                    arguments: ["253:0", "253:1", "P", "8", "1", "discard_zeroes_cow"]))
        #expect(table.text == text)
    }

    static let invalid: [(String, Int)] = [
        ("", 0), ("8 8 zero", 0), ("0 0 zero", 0), ("0 8 zero\n9 8 zero", 1),
        ("0 8 zero\n7 8 zero", 1), ("0 8", 0), ("0 x zero", 0), ("0 +8 zero", 0),
        ("0 8 zero\n8 -1 zero", 1), ("0 8 snapshot 1:2 1:3 P 12", 0),
        ("0 8 a-name-of-16-byte", 0), ("0 9223372036854775807 zero\n9223372036854775807 1 zero", 1),
    ]

    @Test("what the kernel could not take is refused, with its row", arguments: invalid)
    func refuses(text: String, row: Int) {
        let failure = #expect(throws: TableFailure.self) { try DeviceTable(text: text) }
        #expect(failure?.row == row)
    }

    @Test("a device's path must be absolute, so that no number is taken for one")
    func relativePath() {
        for path in ["", "sda", "8:1"] {
            let table = DeviceTable(sectorCount: 8, .snapshotOrigin(.path(path)))
            #expect(throws: TableFailure.self) { try table.validate() }
        }
    }

    @Test("there is a limit to the segments")
    func limit() throws {
        var table = DeviceTable(
            consecutive: (0..<DeviceTable.segmentsMaximum).map { _ in (1, .zero) })
        try table.validate()
        table.segments.append(
            Segment(startSector: table.sectorCount, sectorCount: 1, target: .zero))
        #expect(throws: TableFailure.self) { try table.validate() }
    }

    @Test("rows for the kernel have its layout")
    func rows() {
        let table = DeviceTable(
            consecutive: [(8, .linear(device: Self.disk, offset: 2048)), (0x102, .zero)])
        let expected: [UInt8] =
            [0, 0, 0, 0, 0, 0, 0, 0]  // sector_start
            + [8, 0, 0, 0, 0, 0, 0, 0]  // length
            + [0, 0, 0, 0]  // status
            + [56, 0, 0, 0]  // next: 40 bytes, "253:7 2048" and a zero, and 5 more
            + Array("linear".utf8) + Array(repeating: 0, count: 10)
            + Array("253:7 2048".utf8) + Array(repeating: 0, count: 6)
            + [8, 0, 0, 0, 0, 0, 0, 0]
            + [2, 1, 0, 0, 0, 0, 0, 0]
            + [0, 0, 0, 0]
            + [48, 0, 0, 0]
            + Array("zero".utf8) + Array(repeating: 0, count: 12)
            + Array(repeating: 0, count: 8)
        #expect(table.rows == expected)
    }
}
