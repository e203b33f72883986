import ArgumentParser
import Manager
import SnapshotModel

/// `hold ID`: the word `add` may be left out.
struct HoldAddCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "add", "Hold a snapshot, or all of a set (the default).",
        examples: ["hold 42 --reason 'audit 2026' --until 90d"],
        exits: [.done, .failed, .usage, .notFound, .locked])

    @Argument(
        help: ArgumentHelp("The snapshot or set.", valueName: "id"),
        completion: Candidates.references)
    var reference: String

    @Option(help: ArgumentHelp("Why.", valueName: "text"))
    var reason: String

    @Option(help: ArgumentHelp("The end, as 30d or 2026-11-22T12:45.", valueName: "time"))
    var until: String?

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let holds = try context.manager().holds.hold(
            reference, owner: context.owner, reason: reason, until: until)
        try context.show(["holds": JSONValue(holds)]) {
            holds.map { hold in
                let end = hold.until.map { " until \(display.time($0))" } ?? ""
                return "snapshot \(hold.snapshot) is held by \(hold.owner)\(end)\n"
            }.joined()
        }
    }
}
