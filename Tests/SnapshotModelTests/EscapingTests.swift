import SnapshotModel
import Testing

@Suite struct EscapingTests {
    @Test(
        "M5: what a terminal obeys is shown and not sent",
        arguments: [
            ("a\u{1B}[2Jb", "a\\u{1B}[2Jb"), ("a\nb\r\tc\u{0}", "a\\nb\\r\\tc\\u{0}"),
            ("\u{7F}\u{9B}31m", "\\u{7F}\\u{9B}31m"), ("a\u{202E}gpj.exe", "a\\u{202E}gpj.exe"),
            ("a\u{2028}b\u{2066}", "a\\u{2028}b\\u{2066}"), ("e\u{1B}\u{301}", "e\\u{1B}\u{301}"),
        ])
    func escaped(text: String, shown: String) {
        #expect(text.escapedForPeople == shown)
        #expect(shown.escapedForPeople == shown)
    }

    @Test(
        "M5: all other text stays as it is",
        arguments: ["", "nightly-7", "vor dem Umzug, größer", "日本語", "👩‍👩‍👧", "C:\\temp", "שלום"])
    func kept(text: String) { #expect(text.escapedForPeople == text) }

    @Test("M5: in a text of several lines, only the line feeds stay")
    func lines() {
        #expect("a\u{1B}c\nb\r\n".escapedLinesForPeople == "a\\u{1B}c\nb\\r\n")
    }
}
