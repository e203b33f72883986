import ArgumentParser
import Foundation
import ShellWords
import SnapshotModel
import Testing

@testable import snapmgr

/// What people are told to run, given to the parser that will get it.
@Suite struct RemedyTests {
    @Test("R18: each remedy is a command that can be run", arguments: RemedyExamples.all)
    func remedy(remedy: Remedy) {
        let command = ShellCommand(remedy)
        #expect(Self.isParsed(command.verb + command.arguments.map(\.chosen)), "\(command.text)")
    }

    @Test("no remedy is forgotten")
    func complete() {
        let kinds = RemedyExamples.all.map(RemedyExamples.kind(of:))
        #expect(Set(kinds) == Set(RemedyExamples.Kind.allCases))
    }

    @Test(
        "a command that does not exist is not understood",
        arguments: [
            "resize 7 7", "volume", "merge status --wait", "list --no-such-option", "umount",
        ])
    func misunderstood(text: String) {
        #expect(!Self.isParsed(text.split(separator: " ").map(String.init)))
    }

    private static func isParsed(_ words: [String]) -> Bool {
        do {
            return try !(SnapmgrCommand.parseAsRoot(words) is any snapmgr.CommandGroup)
        } catch {
            // Asked for help, the parser gives it for the deepest command that it knows.
            return words.last == "--help" && SnapmgrCommand.exitCode(for: error) == .success
        }
    }

    // MARK: text

    @Test(
        "a command reads as it is typed",
        arguments: [
            ("\(.check())", "`snapmgr check`"),
            ("\(.check("a", readsData: true))", "`snapmgr check a --data`"),
            ("run \(.status), then", "run `snapmgr status`, then"),
            ("\(.volumeCreate())", "`snapmgr volume create NAME --origin PATH`"),
            ("\(.volumeSet("a", origin: "/b/c.img"))", "`snapmgr volume set a --origin /b/c.img`"),
            ("\(.volumeResize("a", bytes: 7))", "`snapmgr volume resize a 7`"),
            ("\(.volumeRemove("a", keepsStore: true))", "`snapmgr volume remove a --keep-store`"),
            ("\(.activate())", "`snapmgr activate`"),
            ("\(.activate("a", accepting: .device))", "`snapmgr activate a --accept-device`"),
            ("\(.deactivate("a", withoutStore: true))", "`snapmgr deactivate a --without-store`"),
            ("\(.delete)", "`snapmgr delete`"),
            ("\(.export(SnapshotID(rawValue: 7)))", "`snapmgr export 7 FILE`"),
            (
                "\(.release(SnapshotID(rawValue: 7), owner: "eve"))",
                "`snapmgr release 7 --owner eve`"
            ),
            ("\(.revertWithoutSafety)", "`snapmgr revert --no-safety`"),
            ("\(.mergeThrottle())", "`snapmgr merge throttle`"),
            ("\(.mergeThrottle("a"))", "`snapmgr merge throttle RATE a`"),
            (
                "\(.catalogRebuildStore(takesOver: true))",
                "`snapmgr catalog rebuild --store DIR --take-over`"
            ),
            ("\(.pruneExplained("a"))", "`snapmgr prune -n --explain a`"),
            ("\(.help(["status"]))", "`snapmgr status --help`"),
            ("\(.help([]))", "`snapmgr --help`"),
        ] as [(Advice, String)])
    func text(advice: Advice, text: String) {
        #expect(Wording.shell.text(advice) == text)
    }

    static let oddWords = [
        "two words", "it's", "\"quoted\"", "-dash", "--all", "$HOME", "a\\b", "`date`", "a;b",
        "line\nfeed", "*", "~", "#1", "größe", "",
        // Signs of the shell's that are joined to other scalars.
        "a'\u{301}; true", "a\u{0D4E}; true", "=ls",
    ]

    @Test("a shell reads an odd word as it is", arguments: oddWords)
    func shell(word: String) throws {
        for remedy in Self.remedies(naming: word) {
            let command = ShellCommand(remedy)
            let words = try Self.shellWords(command.text)
            #expect(words == ["snapmgr"] + command.verb + command.arguments.map(\.text))
        }
    }

    @Test("the parser reads an odd word as it is", arguments: oddWords)
    func parser(word: String) throws {
        for remedy in Self.remedies(naming: word) {
            let command = ShellCommand(remedy)
            let parsed = try SnapmgrCommand.parseAsRoot(
                command.verb + command.arguments.map(\.text))
            #expect(Self.operand(parsed) == word, "\(command.text)")
        }
    }

    private static func remedies(naming word: String) -> [Remedy] {
        [
            .list(word), .umount(word), .volumeSet("a", origin: word),
            .release(SnapshotID(rawValue: 7), owner: word), .check(word, readsData: true),
            .catalogRebuildStore(word, takesOver: true), .activate(word, accepting: .origin),
        ]
    }

    private static func operand(_ command: any ParsableCommand) -> String? {
        switch command {
        case let command as ListCommand: command.volumes.first
        case let command as UmountCommand: command.folder
        case let command as VolumeSetCommand: command.name == "a" ? command.origin : nil
        case let command as ReleaseCommand: command.reference == "7" ? command.owner : nil
        case let command as CheckCommand: command.data ? command.volumes.first : nil
        case let command as CatalogRebuildCommand: command.takeOver ? command.store : nil
        case let command as ActivateCommand: command.acceptOrigin ? command.volumes.first : nil
        default: nil
        }
    }

    /// What a shell makes of a line.
    private static func shellWords(_ line: String) throws -> [String] {
        let (process, output) = (Process(), Pipe())
        process.executableURL = URL(filePath: "/bin/sh")
        process.arguments = ["-c", "printf '%s\\0' \(line)"]
        process.standardOutput = output
        try process.run()
        let bytes = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return bytes.dropLast().split(separator: 0, omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
    }

    // MARK: JSON

    @Test("an error in JSON has its commands beside the hint")
    func json() throws {
        let problem = Problem(
            .refused, "a",
            hint: "run \(.mergeThrottle("-b")), or \(.volumeShow("a b")), or see \(.status)")
        let text = ErrorMessage(problem).text(json: true)
        let document = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
        let error = try #require(document?["error"] as? [String: Any])
        #expect(
            error["hint"] as? String
                == "run `snapmgr merge throttle -- RATE -b`, or `snapmgr volume show 'a b'`, "
                + "or see `snapmgr status`")
        let commands = try #require(error["commands"] as? [[String: Any]])
        #expect(
            commands.map { $0["command"] as? String } == [
                "merge throttle", "volume show", "status",
            ]
        )
        #expect(
            commands.map { $0["arguments"] as? [String] } == [["--", "RATE", "-b"], ["a b"], []])
        #expect(commands.map { $0["placeholders"] as? [Int] } == [[1], [], []])
    }

    @Test("an error without a command has none")
    func noCommands() {
        let text = ErrorMessage(Problem(.failed, "a", hint: "b")).text(json: true)
        #expect(text.contains(#""commands":[]"#))
    }
}

extension ShellCommand.Argument {
    /// What the parser takes in the place of what a person has to choose.
    fileprivate var chosen: String { isOpen ? "7" : text }
}
