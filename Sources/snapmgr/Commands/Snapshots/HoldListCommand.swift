import ArgumentParser
import Manager
import SnapshotModel

struct HoldListCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "list", "List who holds which snapshot.", examples: ["hold list"],
        exits: [.done, .failed, .usage])

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let holds = try context.reader().holds.list()
        try context.show(["holds": JSONValue(holds)]) {
            var table = Table([
                .init(title: "SNAPSHOT", alignment: .right), .init(title: "OWNER"),
                .init(title: "SINCE"), .init(title: "UNTIL"), .init(title: "REASON"),
            ])
            return table.lines(
                holds.map { hold in
                    [
                        hold.snapshot.description, hold.owner, display.time(hold.heldAt),
                        display.time(hold.until) + (hold.isExpired ? " (expired)" : ""),
                        hold.reason,
                    ]
                }, on: context.terminal)
        }
    }
}
