import ArgumentParser
import SnapshotModel
import Testing

@testable import snapmgr

/// What the parser refuses is told as every other error is.
@Suite struct ParserProblemTests {
    private static func problem(_ line: String) -> Problem? {
        let words = line.split(separator: " ").map(String.init)
        let arguments = GlobalArguments.joined(GlobalArguments.moved(words))
        do { _ = try SnapmgrCommand.parseAsRoot(arguments) } catch {
            return ParserProblem(error, arguments).problem
        }
        return nil
    }

    static let refusals: [(String, String, String)] = [
        ("lst", "there is no command `lst`", "did you mean `list`?"),
        ("merge statu", "there is no command `merge statu`", "did you mean `merge status`?"),
        ("--state d lst", "there is no command `lst`", "did you mean `list`?"),
        ("list --nme x", "`list` has no option --nme", "did you mean `--name`?"),
        (
            "volume set a --orign x", "`volume set` has no option --orign",
            "did you mean `--origin`?"
        ),
        ("prune --no-such", "`prune` has no option --no-such", "help([\"prune\"])"),
        ("volume show --no-such", "`volume show` has no option --no-such", "see"),
        ("hold --reson x 7", "`hold add` has no option --reson", "did you mean `--reason`?"),
        ("--color nver list", "`nver` cannot be --color <color>", "did you mean `never`?"),
        ("completion fisch", "`fisch` cannot be <shell>", "did you mean `fish`?"),
        ("list --limit many", "`many` cannot be --limit <limit>", "see"),
        ("list --limit", "the option --limit <limit> needs a value", "see"),
        ("revert", "<id> is missing", "see"),
        ("hold 7", "the option --reason <text> is missing", "see"),
        ("show 7 8", "unexpected argument `8`", "see"),
        ("show 7 8 9", "unexpected arguments: `8`, `9`", "see"),
        ("list --json=3", "the option --json takes no value", "see"),
        ("list --limit=-1", "--limit and --offset cannot be negative", "see"),
        (
            "snapshot a --if-older-than 10z", "`10z` is not a duration; write 10m, 2h or 1d", "see"
        ),
    ]

    @Test("a mistake is named, and what was meant or where to look", arguments: refusals)
    func told(line: String, message: String, hint: String) throws {
        let problem = try #require(Self.problem(line))
        #expect(problem.code == .usage)
        #expect(problem.message.hasSuffix(message), "\(problem.message)")
        #expect(problem.hint?.description.contains(hint) == true, "\(problem)")
    }

    @Test("none of the parser's own words are left")
    func ownWords() {
        for (line, _, _) in Self.refusals {
            let text = Self.problem(line)?.description ?? ""
            for word in ["Error", "Usage", "Missing", "Unknown", "Unexpected", "invalid for"] {
                #expect(!text.contains(word), "\(text)")
            }
        }
    }

    @Test("a list is sorted by a column with letters of options that every command has")
    func sortedBackwards() throws {
        for column in ["-volume", "-exclusive_bytes", "-taken_at"] {
            let arguments = GlobalArguments.joined(["list", "--sort", column, "--limit", "3"])
            let command = try #require(
                try SnapmgrCommand.parseAsRoot(arguments) as? ListCommand)
            #expect(command.sort == column)
            #expect(!command.global.verbose)
        }
        // Behind this word there are no options.
        #expect(GlobalArguments.joined(["list", "--", "--sort", "-a"]).count == 4)
    }

    @Test("a command is found by its words, whatever stands between them")
    func names() {
        #expect(NamedCommand(["--json", "merge", "-q", "status"]).path == ["merge", "status"])
        #expect(NamedCommand(["--state", "list", "show"]).path == ["show"])
        #expect(NamedCommand(["hold", "7"]).path == ["hold", "add"])
        #expect(NamedCommand(["list", "show"]).path == ["list"])
        #expect(NamedCommand(["help", "lst"]).unknown == nil)
        #expect(NamedCommand(["list"]).options.contains("--sort"))
    }
}
