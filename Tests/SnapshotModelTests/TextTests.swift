import SnapshotModel
import Testing

@Suite("Numbers and paths as text")
struct TextTests {
    @Test("numbers are filled up with zeroes, and never cut")
    func padded() {
        #expect(7.padded(to: 2) == "07" && 42.padded(to: 2) == "42" && 123.padded(to: 2) == "123")
        #expect(UInt32(0x1f).padded(to: 8, radix: 16) == "0000001f")
        #expect(Int64(0).padded(to: 6) == "000000" && 5.padded(to: 0) == "5")
        #expect(CivilDate(year: 2026, month: 2, day: 3)?.description == "2026-02-03")
    }

    @Test(
        "a path is cut at its last slash",
        arguments: [
            ("/a/b/c", "/a/b", "c", "/a/b"), ("/a", "", "a", "/"), ("a", nil, "a", "."),
            ("a/b", "a", "b", "a"), ("/", "", "", "/"), ("a/", "a", "", "a"), ("", nil, "", "."),
        ])
    func halves(path: String, parent: String?, name: String, folder: String) {
        let halves = PathHalves(path)
        #expect(halves.parent == parent && halves.name == name && halves.folder == folder)
    }
}
