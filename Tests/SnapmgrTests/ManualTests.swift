import ArgumentParser
import Foundation
import Testing

@testable import snapmgr

/// The manual page says what the commands' help says: each command, each option, each word.
@Suite struct ManualTests {
    private static let page: String = {
        let package = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let file = package.appending(path: "man/snapmgr.1")
        return (try? String(contentsOf: file, encoding: .utf8)) ?? ""
    }()

    /// The lines of each command's entry, by its words. A line may begin those of several: `list | show`.
    private static let entries: [String: [String]] = {
        var entries: [String: [String]] = [:]
        var (names, before) = ([String](), "")
        for line in page.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
            let isItem = line.hasPrefix(".It Cm ")
            if isItem || (before == ".It Xo" && line.hasPrefix(".Cm ")) {
                names = Self.names(line.dropFirst(isItem ? 7 : 4))
            } else if line.hasPrefix(".Sh") || line.hasPrefix(".Ss") {
                names = []
            }
            for name in names { entries[name, default: []].append(line) }
            before = line
        }
        return entries
    }()

    private static func names(_ text: Substring) -> [String] {
        let words = text.split(separator: " ").prefix { word in
            word.allSatisfy { ($0.isLetter && $0.isLowercase) || $0 == "-" || $0 == "|" }
        }
        let parts = words.split(separator: "|").map(Array.init)
        guard let first = parts.first else { return [] }
        return [first.joined(separator: " ")]
            + parts.dropFirst().map { (first.dropLast() + $0).joined(separator: " ") }
    }

    /// The words of every command that does something.
    static let commands: [[String]] = leaves(SnapmgrCommand.self, [])

    private static func leaves(
        _ type: any ParsableCommand.Type, _ path: [String]
    ) -> [[String]] {
        let below = type.configuration.subcommands
        guard !below.isEmpty else { return [path] }
        return below.flatMap { leaves($0, path + [$0.configuration.commandName ?? ""]) }
    }

    private static let common: Set<String> = Set(NamedCommand([]).options)
        .union(["--utc", "--bytes"])

    private static func entry(_ path: [String]) -> String? {
        let name = path == ["hold", "add"] ? "hold" : path.joined(separator: " ")
        return entries[name]?.joined(separator: "\n")
    }

    @Test("every command has an entry in the manual, with all its options", arguments: commands)
    func options(path: [String]) throws {
        let entry = try #require(Self.entry(path), "\(path)")
        for option in NamedCommand(path).options where !Self.common.contains(option) {
            let name = option == "--dry-run" ? "Fl n" : "Fl -\(option.dropFirst(2))"
            #expect(
                entry.contains(try Regex("\(name)(?![a-z-])")),
                "\(path) \(option) is not in the manual")
        }
    }

    @Test("every option of an entry's first lines is one of the command's", arguments: commands)
    func noOthers(path: [String]) throws {
        let lines = try #require(Self.entry(path)).split(separator: "\n")
        let isLong = lines.first?.hasPrefix(".It") == false
        let head = isLong ? lines.prefix { $0 != ".Xc" } : lines.prefix(1)
        let known = Set(NamedCommand(path).options)
        for match in head.joined(separator: " ").matches(of: /Fl -([a-z][a-z-]*)/) {
            #expect(known.contains("--\(match.output.1)"), "\(path) has no --\(match.output.1)")
        }
    }

    @Test("the global options are in the manual")
    func globals() {
        for option in Self.common {
            #expect(Self.page.contains("Fl -\(option.dropFirst(2))"), "\(option)")
        }
    }

    @Test("the manual explains the words as `help words` does", arguments: Glossary.entries.indices)
    func words(index: Int) {
        let entry = Glossary.entries[index]
        let text = Self.page.replacing("\n", with: " ").replacing("  ", with: " ")
        #expect(text.contains(".It \(entry.word) \(entry.meaning)"), "\(entry.word)")
    }
}

extension ManualTests {
    /// These print no document.
    private static let silent: Set<String> = ["serve", "daemon", "completion", "mirror accept"]

    @Test("every command that prints a document has a schema", arguments: commands)
    func schemas(path: [String]) throws {
        guard !Self.silent.contains(path.joined(separator: " ")) else { return }
        let package = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let folder = package.appending(path: "docs/schemas").path
        let titles = try FileManager.default.contentsOfDirectory(atPath: folder)
            .filter { $0.hasSuffix(".json") }.compactMap { name in
                try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)
                    .split(separator: "\n").first { $0.contains("\"title\"") }
            }
        let words = path.filter { $0 != "add" || path[0] != "hold" }
        let isThere = titles.contains { title in
            words.allSatisfy { title.contains(try! Regex("\\b\($0)\\b")) }
        }
        #expect(isThere, "\(path)")
    }
}
