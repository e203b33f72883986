import ArgumentParser
import Foundation
import Testing

@testable import snapmgr

/// What messages tell people to run, given to the parser that will get it.
@Suite struct HintTests {
    @Test("each command that a message names can be run", arguments: try! Hint.all())
    func hint(hint: Hint) {
        #expect(hint.isUnderstood, "\(hint.file): snapmgr \(hint.text)")
    }

    @Test("the commands are found in the sources, also where a literal has several parts")
    func found() throws {
        let hints = try Hint.all()
        #expect(hints.count > 60)
        #expect(hints.contains { $0.text == "volume resize 7 7" })
        let parts = Hint.find(
            "x(\"run `snapmgr merge \"\n    + \"cancel \\(f(a[0], \"b\"))`\")", "f")
        #expect(parts.map(\.text) == ["merge cancel 7"])
        let comment = Hint.find(
            "/// See `snapmgr nothing`.\nlet a = \"`snapmgr list`\" // `snapmgr x`", "f")
        #expect(comment.map(\.text) == ["list"])
    }

    @Test(
        "a command that does not exist is not understood",
        arguments: [
            "resize 7 7", "volume", "merge status --wait", "list --no-such-option", "umount",
        ])
    func misunderstood(text: String) {
        let isUnderstood = Hint(file: "", text: text).isUnderstood
        #expect(isUnderstood == (text == "umount"))
    }
}

/// A command that a message names.
struct Hint: CustomTestStringConvertible {
    var file: String
    /// Without the program's name, with a word for each interpolation and placeholder.
    var text: String

    var testDescription: String { text }

    /// Whether the parser takes it as it stands, or with the operands that the reader has to choose.
    var isUnderstood: Bool {
        let words = text.split(separator: " ").map(String.init)
        return (0...2).contains { Self.isParsed(words + Array(repeating: "7", count: $0)) }
    }

    private static func isParsed(_ words: [String]) -> Bool {
        do {
            return try !(SnapmgrCommand.parseAsRoot(words) is any snapmgr.CommandGroup)
        } catch {
            // Asked for help, the parser gives it for the deepest command that it knows.
            return words.last == "--help" && SnapmgrCommand.exitCode(for: error) == .success
        }
    }

    // MARK: finding them

    static func all() throws -> [Hint] {
        let sources = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Sources")
        let files = FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil)
        return try (files?.allObjects as? [URL] ?? []).filter { $0.pathExtension == "swift" }
            .flatMap { url in
                find(try String(contentsOf: url, encoding: .utf8), url.lastPathComponent)
            }
    }

    /// The commands in the literals of a source, in backticks or quotes.
    static func find(_ source: String, _ file: String) -> [Hint] {
        let code = source.split(separator: "\n", omittingEmptySubsequences: false)
            .map { withoutComment(String($0)) }.joined(separator: "\n")
        let joined =
            code
            .replacing(/"\s*\n\s*\+ "/, with: "")
            .replacing(/\\\n\s*/, with: "")
        let plain = withoutInterpolations(joined)
        return plain.matches(of: /[`']snapmgr ([^`'\n]+)[`']/).map { match in
            let words = match.1.split(separator: " ").map { word in
                word.allSatisfy(\.isUppercase) ? "7" : String(word)
            }
            return Hint(file: file, text: words.joined(separator: " "))
        }
    }

    private static func withoutComment(_ line: String) -> String {
        guard let start = line.firstRange(of: /(^|\s)\/\//)?.lowerBound else { return line }
        return String(line[..<start])
    }

    private static func withoutInterpolations(_ text: String) -> String {
        var (result, rest) = ("", Substring(text))
        while let start = rest.firstRange(of: "\\(") {
            result += rest[..<start.lowerBound] + "7"
            var depth = 1
            rest = rest[start.upperBound...]
            while depth > 0, let character = rest.popFirst() {
                if character == "(" { depth += 1 }
                if character == ")" { depth -= 1 }
            }
        }
        return result + rest
    }
}
