import ArgumentParser
import Manager
import SnapshotModel

struct ReleaseCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "release", "End a hold on a snapshot, or on all of a set.",
        examples: ["release 42", "release 42 --owner mirror"],
        exits: [.done, .failed, .usage, .notFound, .locked])

    @Argument(help: ArgumentHelp("The snapshot, or set:N.", valueName: "id"))
    var reference: String

    @Option(help: "Whose hold (default: yours).")
    var owner: String?

    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let released = try context.manager().holds.release(
            reference, owner: owner ?? context.owner)
        try context.show(["released": .array(released.map { JSONValue($0) })]) {
            released.map { "snapshot \($0) is released\n" }.joined()
        }
    }
}
