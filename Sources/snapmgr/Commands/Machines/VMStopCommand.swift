import ArgumentParser
import Manager
import SnapshotModel

struct VMStopCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "stop", "End a copy of a VM that `vm clone` has started, with all that was made of it.",
        discussion: """
            Its QEMU is ended without a shutdown, and its clones are deleted with what was written to them; also \
            what is left of a copy whose making was cut. The VM itself is never touched.
            """,
        examples: ["vm stop trial", "vm stop trial --dry-run"],
        exits: [.done, .failed, .usage, .notFound, .missing, .locked, .refused])

    @Argument(
        help: ArgumentHelp("The copy.", valueName: "name"), completion: Candidates.machineCopies)
    var name: String

    @Flag(name: [.customShort("n"), .long], help: "Change nothing; say what would be ended.")
    var dryRun = false

    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let report = try context.manager().machineCopies.stop(name, isDryRun: dryRun)
        try context.show(["copy": report.json]) {
            let clones = report.disks.map { "clone \($0.clone) of volume \($0.volume)" }
            let things = (["\(report.name), a copy of VM \(report.machine)"] + clones)
                .joined(separator: ", ")
            return dryRun ? "would end \(things)\n" : "ended \(things)\n"
        }
    }
}
