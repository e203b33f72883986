import Testing
@testable import Settings
@Test func x() throws {
    for t in ["a = 1\nb = 2\na = 3\n", "a = \n", "ü = 1", "a = \"é\" é\n", "\u{FEFF}a = 1 2", "[a]\nx=1\n[a]\n", "a.b=1\n[a]\nb=1", "a={b=1}\n[a.c]\n", "a=[1]\n[[a]]\n", "\"x\\u0000y\" = 1"] {
        do { let d = try TOMLDocument.read(SourceText(file: "f", bytes: Array(t.utf8))); print(d) }
        catch { print(error) }
    }
    for t in [String(repeating: "a.", count: 500_000) + "a = 1", String(repeating: "[[a]]\n", count: 170_000), "a = [" + String(repeating: "1,", count: 500_000) + "]", (0..<100_000).map { "k\($0) = 1\n"}.joined(), String(repeating: "[", count: 1_000_000), "[" + String(repeating: "a.", count: 500_000) + "a]"] {
        let clock = ContinuousClock()
        print(clock.measure { do { let d = try TOMLDocument.read(SourceText(file: "f", bytes: Array(t.utf8))); print(d.entries.count) }
        catch { print(error) } })
    }
}
