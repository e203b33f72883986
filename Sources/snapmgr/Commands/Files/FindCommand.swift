import ArgumentParser
import FileSystems
import Manager
import SnapshotModel

struct FindCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "find", "Find the snapshots in which a file differs, with its size and time.",
        discussion: """
            Oldest first: the first snapshot that has the file, and each in which it differs from the one \
            before. In a pattern, '*' is any part of a name, '?' a character, '[a-z]' one of some, and '**' \
            any number of folders. Symbolic links on the way are followed where there is no pattern.
            """,
        examples: [
            "find data /etc/fstab", "find data '/home/*/.bashrc' --json",
            "find data '**/report.odt'",
            "find data /etc/fstab --all",
        ],
        exits: [
            .done, .failed, .usage, .partlyDone, .notFound, .missing, .locked, .interrupted,
        ])

    @Argument(help: "The volume.", completion: Candidates.volumes)
    var volume: String

    @Argument(help: "The path, or a pattern of paths.")
    var pattern: String

    @Flag(help: "Show every snapshot, also where nothing differs.")
    var all = false

    @OptionGroup var partition: PartitionOption
    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let report = try context.reader().finds.find(
            volume, pattern, isWhole: all, partition: partition.partition)
        try context.show(["find": report.json]) { text(report, context) }
        guard let first = report.unread.first else { return }
        throw Problem(
            .partial,
            "\(report.unread.count) of \(report.snapshotCount) snapshots could not be looked into, the first is "
                + "\(first.snapshot): \(first.reason)")
    }

    private func text(_ report: FindReport, _ context: CommandContext) -> String {
        var table = Table([
            .init(title: "SNAPSHOT", alignment: .right), .init(title: "TAKEN"),
            .init(title: "SIZE", alignment: .right), .init(title: "MODIFIED"),
            .init(title: "PATH"),
        ])
        let rows = report.files.flatMap { file in file.versions.map { row($0, file.path.text) } }
        return rows.isEmpty ? "" : table.lines(rows, on: context.terminal)
    }

    private func row(_ version: FileVersion, _ path: String) -> [String] {
        let node = version.node
        return [
            version.snapshot.description, display.time(version.takenAt),
            node.map { display.size($0.byteCount) } ?? "-",
            node.map { display.time($0.modified.timestamp) } ?? "not there", path,
        ]
    }
}
