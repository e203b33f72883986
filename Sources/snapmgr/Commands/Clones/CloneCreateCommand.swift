import ArgumentParser
import Manager
import SnapshotModel

struct CloneCreateCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "create", "Make a clone of a snapshot, which is served by its name and can be written to.",
        examples: ["clone create 42 trial", "clone create data@before-upgrade trial -n"],
        exits: [.done, .failed, .usage, .notFound, .missing, .locked, .refused])

    @Argument(help: ArgumentHelp("The snapshot.", valueName: "id"))
    var snapshot: String

    @Argument(help: "The clone's name: one that no volume and no other clone has.")
    var name: String

    @Flag(name: [.customShort("n"), .long], help: "Change nothing; say what would be made.")
    var dryRun = false

    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let report = try context.manager().clones.create(snapshot, name: name, isDryRun: dryRun)
        try context.show(report) {
            "clone \(report.name) of snapshot \(report.snapshot) of volume \(report.volume)"
                + (dryRun ? " would be made\n" : " was made\n")
        }
    }
}
