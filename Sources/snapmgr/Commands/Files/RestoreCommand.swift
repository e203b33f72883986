import ArgumentParser
import FileSystems
import Manager
import SnapshotModel

struct RestoreCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "restore", "Put files and folders back where they were.",
        discussion: """
            Each path of the snapshot comes in the place of what the mounted filesystem of the volume has \
            there now, in one step; what was there stays beside it, as NAME.before-restore-TIME. A folder \
            is put back as a whole, with nothing of what came into it later. Modes, times, extended \
            attributes, access lists, holes and hard links come back, too; owners and devices when root \
            does it.

            The filesystem of a volume under device-mapper is found where it is mounted. Of an image's, \
            --to DIR says where it is, or a copy of it: paths go on from there. Symbolic links on the way \
            are not followed.
            """,
        examples: [
            "restore 42 /etc/fstab", "restore data@2h /home/eve/letter.odt --to /srv/data",
            "restore 42 /home/eve -n",
        ],
        exits: [
            .done, .failed, .usage, .partlyDone, .notFound, .missing, .locked, .refused,
            .interrupted,
        ])

    @Argument(
        help: ArgumentHelp("The snapshot, or a clone.", valueName: "id"),
        completion: Candidates.referencesAndClones)
    var reference: String

    @Argument(help: "What to put back, by its paths in the snapshot.")
    var paths: [String]

    @Option(
        help: ArgumentHelp("Where the volume's filesystem is mounted.", valueName: "dir"),
        completion: .directory)
    var to: String?

    @Flag(name: [.customShort("n"), .long], help: "Only tell what would be put back.")
    var dryRun = false

    @OptionGroup var partition: PartitionOption
    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let report = try context.manager().fileRestores.restore(
            FileRestoreRequest(
                reference: reference, paths: paths, root: to, isDryRun: dryRun,
                partition: partition.partition))
        try context.show(report) { text(report) }
        if let failure = report.failure {
            throw FlawReport.partly(failure, "what came before it was put back")
        }
        try FlawReport(report.skipped, report.isDryRun ? "would be left out" : "were left out")
            .end(context, isShown: !global.json)
    }

    private func text(_ report: FileRestoreReport) -> String {
        let verb = report.isDryRun ? "would be put back" : "put back"
        let lines = report.items.map { item in
            "\(item.path.text.escapedForPeople) \(verb)"
                + (item.keptAs.map { "; what was there: \($0.text.escapedForPeople)" } ?? "") + "\n"
        }
        return lines.joined() + "below \(report.root): \(display.size(report.counts.bytes))\n"
    }
}
