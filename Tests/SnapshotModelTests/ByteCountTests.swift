import SnapshotModel
import Testing

@Suite("Numbers of bytes, as people write and read them")
struct ByteCountTests {
    @Test(
        "sizes are read in binary units, in either case, with a decimal point where it comes out even",
        arguments: [
            ("0", 0), ("4096", 4096), ("64K", 65_536), ("64k", 65_536), ("64KiB", 65_536),
            ("64 kb", 65_536), ("1.5 GiB", 1_610_612_736), (".5K", 512), ("1_000", 1000),
            ("512B", 512), ("2M", 1 << 21), ("1T", 1 << 40), ("1P", 1 << 50), ("7E", 7 << 60),
            ("0.0009765625M", 1024), ("9223372036854775807", Int.max),
        ])
    func parses(text: String, bytes: Int) {
        #expect(ByteCount(text)?.bytes == bytes)
    }

    @Test(
        "what is not a size is refused",
        arguments: [
            "", " ", "K", "B", "-1", "+1", "1.5", "0.1K", "1..5K", "1.2.3K", ".", "1X", "1KK",
            "0x10", "1e3", "٤K", "8E", "9223372036854775808", "99999999999999999999", "1K1", "nan",
            "infK", "1KBB",
        ])
    func refuses(text: String) {
        #expect(ByteCount(text) == nil)
    }

    @Test(
        "sizes are written with at most one decimal, and never with 1024 of a unit",
        arguments: [
            (0, "0 B"), (1, "1 B"), (1000, "1000 B"), (1023, "1023 B"), (1024, "1 KiB"),
            (1536, "1.5 KiB"), (65_536, "64 KiB"), (1_048_000, "1023.4 KiB"),
            (1_048_575, "1 MiB"), (1 << 30, "1 GiB"), (1_610_612_736, "1.5 GiB"),
            (1 << 40, "1 TiB"), (1 << 50, "1 PiB"), (1 << 60, "1 EiB"), (-1536, "-1.5 KiB"),
        ])
    func writes(bytes: Int, text: String) {
        #expect(ByteCount(bytes).description == text)
    }

    @Test("whole units are read back as written")
    func roundTrip() {
        for power in 0..<60 {
            let size = ByteCount(1 << power)
            #expect(ByteCount(size.description) == size)
        }
    }

    @Test(
        "the largest sizes can be written too")
    func largest() async {
        await #expect(processExitsWith: .success) {
            precondition(ByteCount(2 << 60).description == "2 EiB")
            precondition(ByteCount(Int.max).description == "8 EiB")
            precondition(ByteCount(Int.min).description == "-8 EiB")
        }
    }
}
