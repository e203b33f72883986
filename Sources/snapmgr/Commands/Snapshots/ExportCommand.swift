import ArgumentParser
import Manager
import SnapshotModel

struct ExportCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "export", "Write the content of a snapshot, or of a clone, to a new file.",
        discussion: """
            Nobody can write to a clone while it is exported: one that a client has open for writing is \
            refused.
            """, examples: ["export 42 old.img", "export trial trial.img"],
        exits: [
            .done, .failed, .usage, .notFound, .missing, .locked, .refused, .interrupted,
        ])

    @Argument(help: ArgumentHelp("The snapshot, or the clone.", valueName: "id"))
    var reference: String

    @Argument(help: "The file, which must not exist.")
    var file: String

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let report = try context.manager().exports.export(reference, to: file)
        try context.show(report) {
            (report.clone.map { "clone \($0)" } ?? "snapshot \(report.snapshot)")
                + " exported to \(report.path): "
                + "\(display.size(report.byteCount))\n"
        }
    }
}
