import ArgumentParser

/// The command that arguments name, as far as they name one.
struct NamedCommand {
    /// The words that name it, without the program's.
    private(set) var path: [String] = []
    private(set) var type: any ParsableCommand.Type = SnapmgrCommand.self
    /// What stands where a command should, and is none.
    private(set) var unknown: String?

    init(_ arguments: [String]) {
        var isValue = false
        for argument in arguments.prefix(while: { $0 != "--" }) {
            guard !isValue else {
                isValue = false
                continue
            }
            guard !argument.hasPrefix("-") else {
                isValue = GlobalArguments.takesValue(argument)
                continue
            }
            guard descend(to: argument) else { return }
        }
        descendToUsual()
    }

    /// The commands that are named behind it; none when it is one itself.
    var subcommands: [String] {
        type.configuration.subcommands.compactMap { $0.configuration.commandName }
    }

    /// Its options' long names, with their dashes.
    var options: [String] {
        SnapmgrCommand.helpMessage(for: type, includeHidden: false, columns: 200)
            .split(separator: "\n").filter { $0.hasPrefix("  -") }
            .flatMap { line in
                line.split { " ,/".contains($0) }
                    .prefix { $0.hasPrefix("-") || $0.hasPrefix("<") }
                    .filter { $0.hasPrefix("--") }.map(String.init)
            }
    }

    /// Whether more words may name a command.
    private mutating func descend(to word: String) -> Bool {
        let isHelp = path.isEmpty && word == "help"
        guard !type.configuration.subcommands.isEmpty, !isHelp else { return false }
        if let found = type.configuration.subcommands.first(where: {
            $0.configuration.commandName == word
        }) {
            path.append(word)
            type = found
            return true
        }
        if !descendToUsual() { unknown = word }
        return false
    }

    /// Goes on to the command that is meant where none of several is named.
    @discardableResult
    private mutating func descendToUsual() -> Bool {
        guard let usual = type.configuration.defaultSubcommand else { return false }
        type = usual
        path += [usual.configuration.commandName].compactMap(\.self)
        return true
    }
}
