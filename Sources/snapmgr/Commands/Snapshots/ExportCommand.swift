import ArgumentParser
import Manager
import SnapshotModel

struct ExportCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "export", "Write a snapshot's content to a new file.", examples: ["export 42 old.img"],
        exits: [.done, .failed, .usage, .notFound, .missing, .locked, .interrupted])

    @Argument(help: ArgumentHelp("The snapshot.", valueName: "id"))
    var reference: String

    @Argument(help: "The file, which must not exist.")
    var file: String

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let report = try context.manager().exports.export(reference, to: file)
        try context.show(report) {
            "snapshot \(report.snapshot) exported to \(report.path): "
                + "\(display.size(report.byteCount))\n"
        }
    }
}
