import ArgumentParser
import Manager
import SnapshotModel

struct ModifyCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "modify", "Change what is written on snapshots.",
        discussion: """
            An empty name or note takes it away. A name is there once in a volume. A set stands for all \
            of its snapshots.
            """,
        examples: [
            "modify 42 --name before-upgrade --note 'works'", "modify set:7 --tag keep",
            "modify data@before-upgrade --name '' --untag keep",
        ],
        exits: [
            .done, .failed, .usage, .partlyDone, .notFound, .missing, .locked, .refused,
            .interrupted,
        ])

    @Argument(
        help: ArgumentHelp("The snapshots or sets.", valueName: "id"),
        completion: Candidates.references)
    var references: [String]

    @Option(help: "A name, for VOL@NAME.")
    var name: String?

    @Option(help: ArgumentHelp("What it is for.", valueName: "text"))
    var note: String?

    @Option(help: "A word to find it by; may be given more than once.")
    var tag: [String] = []

    @Option(help: "A word to take off it; may be given more than once.")
    var untag: [String] = []

    @Flag(name: [.customShort("n"), .long], help: "Change nothing; say what would be written.")
    var dryRun = false

    @OptionGroup var global: GlobalOptions

    func validate() throws {
        guard name != nil || note != nil || !tag.isEmpty || !untag.isEmpty else {
            throw ValidationError("nothing is to be changed: give --name, --note, --tag or --untag")
        }
    }

    func run(_ context: CommandContext) throws {
        let report = try context.manager().labels.modify(
            LabelRequest(
                references, name: name, note: note, addedTags: tag, removedTags: untag,
                isDryRun: dryRun))
        try context.show(report) {
            report.snapshots.map { snapshot in
                let verb =
                    report.changed.contains(snapshot.id)
                    ? (dryRun ? "would have" : "has now") : "has already"
                return "snapshot \(snapshot.id) of volume \(snapshot.volume) \(verb): "
                    + "\(snapshot.manifest.labels.words)\n"
            }.joined()
        }
    }
}
