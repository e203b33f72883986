import ArgumentParser
import Manager
import SnapshotModel

struct CloneCreateCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "create",
        "Make a clone of a snapshot, or of a clone, which is served by its name and can be written to.",
        discussion: """
            Nothing is copied. A clone of a clone begins as that is now; from then on neither sees what is \
            written to the other, and either can be deleted. With --read-only it keeps that state: it can be \
            read, mounted and cloned again, and not be written to. A clone may be larger than what it is made \
            of: it is zero behind the end of that. Under device-mapper it is a device, which `clone list` names; the \
            clone that another one is made of must be closed there.
            """,
        examples: [
            "clone create 42 trial", "clone create data@before-upgrade trial -n",
            "clone create trial trial-2 --size 40G",
            "clone create trial trial-tested --read-only",
        ],
        exits: [.done, .failed, .usage, .notFound, .missing, .locked, .refused])

    @Argument(
        help: ArgumentHelp("The snapshot, or the clone.", valueName: "id"),
        completion: Candidates.referencesAndClones)
    var snapshot: String

    @Argument(help: "The clone's name: one that no volume and no other clone has.")
    var name: String

    @Option(
        help: ArgumentHelp(
            "The clone's size, at least that of what it is made of (default: the same).",
            valueName: "size"))
    var size: SizeArgument?

    @Flag(help: "Keep the state as it is: the clone is not written to.")
    var readOnly = false

    @Flag(name: [.customShort("n"), .long], help: "Change nothing; say what would be made.")
    var dryRun = false

    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let report = try context.manager().clones.create(
            snapshot, name: name, byteCount: size?.bytes, isReadOnly: readOnly, isDryRun: dryRun)
        try context.show(report) {
            let base = report.parent.map { "clone \($0) of " } ?? ""
            return
                "clone \(report.name) of \(base)snapshot \(report.snapshot) of volume \(report.volume)"
                + (dryRun ? " would be made\n" : " was made\n")
        }
    }
}
