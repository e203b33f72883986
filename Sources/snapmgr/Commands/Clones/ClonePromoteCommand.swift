import ArgumentParser
import Manager
import SnapshotModel

struct ClonePromoteCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "promote", "Make a clone a volume of its own.",
        discussion: """
            What the clone holds is copied to a new image, what is zero takes no space there, nor what the \
            filesystem can share; a volume is made over it, and then the clone is deleted. Until all that is durable the clone is whole: it can \
            be read meanwhile, and not be written to. One under device-mapper becomes a volume over an image, whose \
            place --origin says. To make it the volume that it is a clone of, see \
            `revert --with`.
            """,
        examples: [
            "clone promote trial --dry-run", "clone promote data@trial --origin /srv/trial.img",
        ],
        exits: [
            .done, .failed, .usage, .notFound, .missing, .locked, .refused, .interrupted,
        ])

    @Argument(
        help: ArgumentHelp("The clone, or VOLUME@NAME.", valueName: "name"),
        completion: Candidates.clones)
    var clone: String

    @Option(
        help: ArgumentHelp(
            "The new image, which must not exist (default: beside the volume's).", valueName: "path"
        ))
    var origin: String?

    @Option(help: ArgumentHelp("The new volume's name (default: the clone's).", valueName: "name"))
    var name: String?

    @Flag(name: [.customShort("n"), .long], help: "Change nothing; say what would be made.")
    var dryRun = false

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let report = try context.manager().clones.promote(
            clone, PromoteOptions(originPath: origin, name: name, isDryRun: dryRun))
        try context.show(report) {
            "clone \(report.clone) of volume \(report.volume) "
                + (dryRun ? "would become" : "is now") + " volume \(report.name), "
                + "\(display.size(report.byteCount)) in \(report.originPath)\n"
        }
    }
}
