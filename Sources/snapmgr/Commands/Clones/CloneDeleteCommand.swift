import ArgumentParser
import Manager
import SnapshotModel

struct CloneDeleteCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "delete", "Delete a clone with what was written to it; its snapshot stays.",
        examples: ["clone delete trial --dry-run", "clone delete data@trial"],
        exits: [.done, .failed, .usage, .notFound, .missing, .locked, .refused])

    @Argument(
        help: ArgumentHelp("The clone, or VOLUME@NAME.", valueName: "name"),
        completion: Candidates.clones)
    var name: String

    @Flag(name: [.customShort("n"), .long], help: "Change nothing; say what would be freed.")
    var dryRun = false

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let report = try context.manager().clones.delete(name, isDryRun: dryRun)
        try context.show(report) {
            "clone \(report.name) of volume \(report.volume) "
                + (dryRun ? "would be deleted" : "was deleted")
                + ", \(display.size(report.freedBytes)) "
                + (dryRun ? "would be freed\n" : "freed\n")
        }
    }
}
