import ArgumentParser
import Manager
import SnapshotModel

struct MergeCancelCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "cancel", "Go back to the safety snapshot in mid-merge.",
        discussion: """
            What was written since the revert is dropped. Once a later snapshot exists, a merge can \
            no longer be cancelled. A revert that waits until its volume is closed is forgotten.
            """,
        examples: ["merge cancel data --dry-run", "merge cancel data --yes"],
        exits: [.done, .failed, .usage, .notFound, .missing, .locked, .refused, .interrupted])

    @Argument(help: ArgumentHelp("The volume.", valueName: "vol"), completion: Candidates.volumes)
    var volume: String

    @Flag(help: "Do it under the NBD clients that have it open: they must begin anew.")
    var force = false

    @Flag(name: [.customShort("n"), .long], help: "Change nothing; say what would be.")
    var dryRun = false

    @OptionGroup var confirmation: ConfirmOptions
    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let merges = try context.manager().merges
        if !dryRun {
            // Looked at first, so that nobody is asked about what would be refused.
            let preview = try merges.cancel(volume, isDryRun: true, overrulesClients: force)
            if !preview.items.contains(where: \.isQueued) {
                try confirmation.confirm(
                    "Cancel the merge of volume \(volume)?",
                    dropping: "what was written to volume \(volume) since the revert would be lost",
                    context.terminal)
            }
        }
        let report = try merges.cancel(volume, isDryRun: dryRun, overrulesClients: force)
        try context.show(report) {
            if let item = report.items.first, item.isQueued {
                return
                    "volume \(volume) \(dryRun ? "would not be" : "is not") reverted to snapshot "
                    + "\(item.target) when it is closed\n"
            }
            let plan = display.size(report.items.first?.planBytes)
            let verb = dryRun ? "would read" : "reads"
            let target = report.items.first?.target.description ?? ""
            return "volume \(volume) \(verb) as safety snapshot \(target) again: \(plan) to merge\n"
                + (report.items.first?.clientAdvice.map { "\($0)\n" } ?? "")
        }
    }
}
