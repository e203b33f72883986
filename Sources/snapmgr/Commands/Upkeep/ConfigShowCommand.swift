import ArgumentParser
import Manager
import Settings
import SnapshotModel

struct ConfigShowCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "show", "Show the values that apply, and where each comes from.",
        examples: ["config show", "config show --json"], exits: [.done, .usage])

    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let values = try context.settings().effectiveValues
        try context.show(["settings": JSONValue(values)]) { values.document }
    }
}
