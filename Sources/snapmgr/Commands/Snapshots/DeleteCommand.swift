import ArgumentParser
import Manager
import SnapshotModel

struct DeleteCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "delete", "Delete snapshots and free what only they need.",
        examples: [
            "delete 42 43 --dry-run", "delete data@before-upgrade", "delete vm1@before-upgrade",
        ],
        exits: [
            .done, .failed, .usage, .partlyDone, .notFound, .missing, .locked, .refused,
            .interrupted,
        ])

    @Argument(
        help: ArgumentHelp("The snapshots or sets.", valueName: "id"),
        completion: Candidates.references)
    var references: [String]

    @Flag(name: [.customShort("n"), .long], help: "Change nothing; say what would be freed.")
    var dryRun = false

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let report = try context.manager().deletions.delete(references, isDryRun: dryRun)
        try context.show(report) {
            let lines = report.items.map { item in
                "snapshot \(item.id) of volume \(item.volume) "
                    + (dryRun ? "would be deleted" : "deleted")
                    + (report.items.count > 1 ? ", \(display.size(item.aloneBytes)) alone\n" : "\n")
            }
            let size = display.size(report.freedBytes)
            return lines.joined() + (dryRun ? "about \(size) would be freed\n" : "\(size) freed\n")
        }
    }
}
