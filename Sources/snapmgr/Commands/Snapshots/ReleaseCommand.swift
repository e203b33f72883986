import ArgumentParser
import Manager
import SnapshotModel

struct ReleaseCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "release", "End holds on a snapshot, or on all of a set.",
        examples: [
            "release 42", "release 42 --owner mirror", "release 42 --reason 'audit 2026'",
        ],
        exits: [.done, .failed, .usage, .notFound, .locked])

    @Argument(
        help: ArgumentHelp("The snapshot or set.", valueName: "id"),
        completion: Candidates.references)
    var reference: String

    @Option(help: "Whose holds (default: yours).")
    var owner: String?

    @Option(help: ArgumentHelp("Why it was held (default: all of them).", valueName: "text"))
    var reason: String?

    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let released = try context.manager().holds.release(
            reference, owner: owner ?? context.owner, reason: reason)
        try context.show(["released": .array(released.map { JSONValue($0) })]) {
            released.map { "snapshot \($0) is released\n" }.joined()
        }
    }
}
