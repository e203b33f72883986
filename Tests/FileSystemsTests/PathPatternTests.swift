import SnapshotModel
import Testing

@testable import FileSystems

@Suite("Patterns of names and paths")
struct PathPatternTests {
    @Test(
        "A name fits a pattern as in a shell",
        arguments: [
            ("*", "anything", true), ("a*c", "abc", true), ("a*c", "ac", true),
            ("a*c", "acb", false),
            ("*.txt", ".txt", true), ("a?c", "aäc", true), ("a?c", "ac", false), ("?", "ä", true),
            ("[a-c]x", "bx", true), ("[!a-c]x", "bx", false), ("[^a-c]x", "dx", true),
            ("[", "[", true),
            ("[]a]", "]", true), ("\\*", "*", true), ("\\*", "a", false), ("", "", true),
            ("a", "b", false), ("*a*b*c*", "xxaxxbxxcxx", true), ("*a*b*c*", "xxaxxcxxbxx", false),
            ("a[b", "a[b", true), ("x[c-a]", "xb", false),
        ])
    func fits(pattern: String, name: String, isFit: Bool) {
        #expect(NamePattern(pattern).fits(FileName(name)) == isFit)
    }

    @Test("Many stars take no time that grows with each of them")
    func manyStars() {
        let pattern = NamePattern(String(repeating: "*a", count: 60))
        #expect(!pattern.fits(FileName(String(repeating: "a", count: 50) + "b")))
        #expect(
            !NamePattern("*a*a*a*a*a*a*a*a*b").fits(FileName(String(repeating: "a", count: 255))))
    }

    @Test(
        "A pattern with a path alone follows links on the way, and more matches than wanted are refused"
    )
    func matches() throws {
        let image = try Ext4Image(
            "mkdir -p a/b; touch a/b/1 a/b/2 a/3; ln -s a link; ln -s . a/self")
        let fileSystem = try image.open()
        func paths(_ pattern: String) throws -> [String] {
            try PathPattern(pattern).matches(in: fileSystem, limit: 10).keys.map(\.text).sorted()
        }
        #expect(try paths("link/b/1") == ["/link/b/1"])
        #expect(try paths("lin*/b/1").isEmpty)
        #expect(try paths("a/*") == ["/a/3", "/a/b", "/a/self"])
        #expect(try paths("**/[12]") == ["/a/b/1", "/a/b/2"])
        #expect(try paths("a/**") == ["/a", "/a/3", "/a/b", "/a/b/1", "/a/b/2", "/a/self"])
        #expect(throws: Problem.self) {
            try PathPattern("a/**").matches(in: fileSystem, limit: 5)
        }
    }
}
