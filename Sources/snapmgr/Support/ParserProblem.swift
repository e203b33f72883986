import ArgumentParser
import SnapshotModel

/// What the parser refuses, in the words and the form of all other errors: it has its own, and tells them
/// as text alone.
struct ParserProblem {
    private let command: NamedCommand
    /// What the parser says, without what it proposes on lines of its own.
    private let message: String
    /// The words before `--` that can only be options, without their values.
    private let options: [String]

    init(_ error: any Error, _ arguments: [String]) {
        command = NamedCommand(arguments)
        message = SnapmgrCommand.message(for: error)
        options = arguments.prefix { $0 != "--" }.filter { $0.hasPrefix("--") }
            .map { String($0.prefix { $0 != "=" }) }
    }

    var problem: Problem {
        if let unknown = command.unknown { return unknownCommand(unknown) }
        // The parser may miss something else first, that is there.
        let known = command.options
        if let name = options.first(where: { !known.contains($0) }) { return unknownOption(name) }
        if let name = quoted(after: "Unknown option '") { return unknownOption(name) }
        if let (value, rest) = halves(after: "The value '", at: "' is invalid for '") {
            return wrongValue(value, rest)
        }
        if let name = quoted(after: "Missing value for '") {
            return problem("the option \(name) needs a value")
        }
        if let name = quoted(after: "Missing expected argument '") {
            return problem("\(name.hasPrefix("-") ? "the option \(name)" : name) is missing")
        }
        if let (_, words) = halves(after: "", at: "nexpected argument") {
            return problem("unexpected argument" + words.replacing("'", with: "`"))
        }
        if let (name, _) = halves(after: "The option '", at: "' does not take any value") {
            return problem("the option \(name) takes no value")
        }
        return problem(message)
    }

    // MARK: kinds of refusals

    private func unknownCommand(_ word: String) -> Problem {
        let name = (command.path + [word]).joined(separator: " ")
        let known = command.subcommands.map { (command.path + [$0]).joined(separator: " ") }
        return problem(
            "there is no command `\(name)`", meant: name, among: known,
            else: "see \(.help(command.path))")
    }

    private func unknownOption(_ name: String) -> Problem {
        let verb = command.path.joined(separator: " ")
        return problem(
            verb.isEmpty ? "there is no option \(name)" : "`\(verb)` has no option \(name)",
            meant: name, among: command.options, else: "see \(.help(command.path))")
    }

    /// - Parameter rest: the parameter, in front of a quote, then what it may be.
    private func wrongValue(_ value: String, _ rest: String) -> Problem {
        let end = rest.firstIndex(of: "'") ?? rest.endIndex
        let (parameter, more) = (rest[..<end], String(rest[end...].dropFirst()))
        let told = "`\(value)` cannot be \(parameter)"
        // A reason of ours says all.
        if more.hasPrefix(": ") {
            let reason = String(more.dropFirst(2))
            return problem(reason.hasPrefix("`\(value)`") ? reason : "\(told): \(reason)")
        }
        let words = Self.words(in: more)
        guard !words.isEmpty else { return problem(told) }
        return problem(
            told, meant: value, among: words,
            else: "write one of \(words.joined(separator: ", ")); see \(.help(command.path))")
    }

    private func problem(_ message: String) -> Problem {
        Problem(.usage, message, hint: "see \(.help(command.path))")
    }

    private func problem(
        _ message: String, meant text: String, among candidates: [String], else advice: Advice
    ) -> Problem {
        Problem(
            .usage, message, hint: Suggestion.hint(for: text, among: candidates, else: advice))
    }

    // MARK: the parser's text

    /// What stands in quotes behind the beginning of the text.
    private func quoted(after start: String) -> String? {
        guard message.hasPrefix(start) else { return nil }
        let rest = message.dropFirst(start.count)
        return rest.firstIndex(of: "'").map { String(rest[..<$0]) }
    }

    /// What stands between the beginning of the text and a separator, and what behind that.
    private func halves(after start: String, at separator: String) -> (String, String)? {
        guard message.hasPrefix(start),
            let middle = message.firstRange(of: separator), message.startIndex < middle.lowerBound
        else { return nil }
        let first = message[..<middle.lowerBound].dropFirst(start.count)
        return (String(first), String(message[middle.upperBound...]))
    }

    /// The values that the parser lists: in quotes, or as items of a list.
    private static func words(in text: String) -> [String] {
        let items = text.split(separator: "\n").filter { $0.hasPrefix("  - ") }
        guard items.isEmpty else { return items.map { String($0.dropFirst(4)) } }
        return text.split(separator: "'", omittingEmptySubsequences: false).enumerated()
            .filter { $0.offset % 2 == 1 }.map { String($0.element) }
    }
}
