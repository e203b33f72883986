import Manager
import ShellWords
import SnapshotModel

extension JSONValue {
    /// The commands that an advice names, for scripts: the command's words, what follows them, and
    /// which of the arguments (by position, from 0) only stand for what has to be chosen.
    init(commandsOf advice: Advice?) {
        self = .array(
            (advice?.remedies ?? []).map(ShellCommand.init).map { command in
                let arguments = command.arguments
                return [
                    "command": JSONValue(command.verb.joined(separator: " ")),
                    "arguments": JSONValue(arguments.map(\.text)),
                    "placeholders": .array(
                        arguments.indices.filter { arguments[$0].isOpen }.map { JSONValue($0) }),
                ]
            })
    }
}
