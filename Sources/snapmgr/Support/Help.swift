import ArgumentParser
import SnapshotModel

extension CommandConfiguration {
    /// The help of a command, with examples and its exit codes.
    static func verb(
        _ name: String, _ abstract: String, discussion: String = "", examples: [String],
        exits: [ExitStatus] = [.done, .failed, .usage, .notFound, .missing, .locked]
    ) -> CommandConfiguration {
        let text = discussion.isEmpty ? "" : discussion + "\n\n"
        let shown = examples.map { "  $ snapmgr \($0)" }.joined(separator: "\n")
        let statuses = exits.map { "  \($0.rawValue)  \($0.meaning)" }.joined(separator: "\n")
        return CommandConfiguration(
            commandName: name, abstract: abstract,
            discussion: text + "EXAMPLES:\n\(shown)\n\nEXIT STATUS:\n\(statuses)")
    }

    /// The help of a word that gathers commands.
    static func group(
        _ name: String, _ abstract: String, _ subcommands: [any ParsableCommand.Type],
        default defaultSubcommand: (any ParsableCommand.Type)? = nil
    ) -> CommandConfiguration {
        CommandConfiguration(
            commandName: name, abstract: abstract, subcommands: subcommands,
            defaultSubcommand: defaultSubcommand)
    }
}

/// A size in bytes as people write it: `64K`, `1.5 GiB`.
struct SizeArgument: ExpressibleByArgument {
    let bytes: Int

    init?(argument: String) {
        guard let count = ByteCount(argument) else { return nil }
        bytes = count.bytes
    }
}
