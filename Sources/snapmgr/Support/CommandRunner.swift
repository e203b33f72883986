import Synchronization
import ArgumentParser
import Manager
import Monitoring
import ShellWords
import SnapshotModel

/// Parses, runs, and turns errors into messages and exit codes.
enum CommandRunner {
    static func run(arguments: [String]) -> Int32 {
        do {
            if let remote = try HostOption(arguments) { return try remote.run() }
        } catch {
            return report(Problem(error), json: GlobalArguments.wantsJSON(arguments))
        }
        Interruption.install()
        let arguments = GlobalArguments.joined(GlobalArguments.moved(arguments))
        if let words = Glossary.answer(to: arguments) {
            Output.write(words)
            return ExitStatus.done.rawValue
        }
        Interruption.endsPlugin(isPlugin(arguments))
        do {
            var command = try SnapmgrCommand.parseAsRoot(arguments)
            try command.run()
            return ExitStatus.done.rawValue
        } catch let code as ExitCode {
            return code.rawValue
        } catch let error where isPlugin(arguments) && !isHelp(error) {
            return reportAsPlugin(error, arguments)
        } catch let error where isParserError(error) {
            return finish(parsing: error, arguments)
        } catch {
            return report(Problem(error), json: GlobalArguments.wantsJSON(arguments))
        }
    }

    // MARK: monitoring plugins

    /// Whether it is `status --nagios`, whose exit codes are those of plugins whatever happens: wrong
    /// usage with 2 would read as an alarm.
    private static func isPlugin(_ arguments: [String]) -> Bool {
        arguments.first == StatusCommand.configuration.commandName
            && arguments.prefix { $0 != "--" }.contains("--nagios")
    }

    private static func isHelp(_ error: any Error) -> Bool {
        isParserError(error) && SnapmgrCommand.exitCode(for: error) == .success
    }

    private static func reportAsPlugin(_ error: any Error, _ arguments: [String]) -> Int32 {
        let problem =
            isParserError(error) ? ParserProblem(error, arguments).problem : Problem(error)
        let output = PluginOutput(problem, .shell)
        Output.write(output.text)
        return output.status
    }

    // MARK: errors

    private static func isParserError(_ error: any Error) -> Bool {
        guard !(error is Problem) else { return false }
        // Errors of argument-parser are the only ones for which it knows an exit code but 1.
        return SnapmgrCommand.exitCode(for: error) != .failure
    }

    /// Help and completions are results; everything else is wrong usage.
    private static func finish(parsing error: any Error, _ arguments: [String]) -> Int32 {
        guard SnapmgrCommand.exitCode(for: error) != .success else {
            Output.write(SnapmgrCommand.fullMessage(for: error) + "\n")
            return ExitStatus.done.rawValue
        }
        return report(
            ParserProblem(error, arguments).problem, json: GlobalArguments.wantsJSON(arguments))
    }

    private static func report(_ problem: Problem, json: Bool) -> Int32 {
        Output.writeError(problem, json: json)
        return ExitStatus(problem.code).rawValue
    }
}

/// How an error reads, for people and for scripts.
struct ErrorMessage {
    private let problem: Problem

    init(_ problem: Problem) { self.problem = problem }

    private var hint: String? { problem.hint.map(Wording.shell.text) }

    func text(json: Bool) -> String {
        guard !json else { return "\(document)\n" }
        let hint = hint.map { "hint: \(shown($0))\n" } ?? ""
        return "snapmgr: \(shown(problem.message))\n\(hint)"
    }

    /// Only the settings have several lines to say; elsewhere a line feed is part of a name.
    private func shown(_ text: String) -> String {
        problem.code == .usage ? text.escapedLinesForPeople : text.escapedForPeople
    }

    /// As `--json` has it.
    var document: JSONValue {
        [
            "error": [
                "code": JSONValue(problem.code), "message": JSONValue(problem.message),
                "hint": JSONValue(hint), "commands": JSONValue(commandsOf: problem.hint),
            ]
        ]
    }
}
