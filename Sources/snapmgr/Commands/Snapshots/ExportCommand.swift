import ArgumentParser
import Glibc
import Manager
import SnapshotModel

struct ExportCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "export", "Write the content of a snapshot, or of a clone, to a new file.",
        discussion: """
            With -, all bytes of a snapshot go to standard output, holes as zeroes. Nobody can write to a \
            clone while it is exported: one that a client has open for writing is refused.
            """,
        examples: ["export 42 old.img", "export 42 - | zstd >old.zst", "export trial trial.img"],
        exits: [
            .done, .failed, .usage, .notFound, .missing, .locked, .refused, .interrupted,
        ])

    @Argument(
        help: ArgumentHelp("The snapshot, or the clone.", valueName: "id"),
        completion: Candidates.referencesAndClones)
    var reference: String

    @Argument(
        help: ArgumentHelp("The file, which must not exist, or -.", valueName: "file|-"),
        completion: .file())
    var file: String

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func validate() throws {
        guard file != "-" || !global.json else {
            throw ValidationError("- does not go with --json")
        }
    }

    func run(_ context: CommandContext) throws {
        guard file != "-" else {
            guard isatty(STDOUT_FILENO) == 0 else {
                throw Problem(
                    .usage, "standard output is a terminal", hint: "send it to a program or a file")
            }
            return try context.manager().exports.read(reference, Output.write(bytes:))
        }
        let report = try context.manager().exports.export(reference, to: file)
        try context.show(report) {
            (report.clone.map { "clone \($0)" } ?? "snapshot \(report.snapshot)")
                + " exported to \(report.path): "
                + "\(display.size(report.byteCount))\n"
        }
    }
}
