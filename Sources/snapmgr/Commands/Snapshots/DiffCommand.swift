import ArgumentParser
import FileSystems
import Manager
import SnapshotModel

struct DiffCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "diff", "Show where two snapshots, or a snapshot and the volume as it is, differ.",
        discussion: """
            No data is read, so a range may have been written without a change. After a revert \
            between the two, ranges may also have been written back: then the result is not exact. \
            Either may be a clone; one alone is compared with the snapshot that it began as. Of sets, their \
            volumes are compared one by one.

            With --files, the files of an ext2, ext3 or ext4 are compared, by what it says of them: kind, \
            size, times, mode and owner. What lies in nothing that was written between the two is not \
            looked at. Of a clone alone, it is told what has changed since the snapshot that it began as. Other \
            filesystems are mounted for this, one after the other, by root. --tree shows \
            what differs as a tree, with A, C, D and M before what was added, changed, deleted and moved.
            """,
        examples: [
            "diff 41 42", "diff data@latest --bytes", "diff 41 42 --files",
            "diff 41 42 --files --tree",
            "diff data@2h data@latest --files --json", "diff trial", "diff trial data@live",
            "diff vm1@2h vm1@latest",
        ],
        exits: [
            .done, .failed, .usage, .partlyDone, .notFound, .missing, .locked, .refused,
            .interrupted,
        ])

    @Argument(
        help: ArgumentHelp("One snapshot, or a clone.", valueName: "a"),
        completion: Candidates.referencesAndClones)
    var from: String

    @Argument(
        help: ArgumentHelp(
            "The other; the volume as it is without one, and of a clone its snapshot.",
            valueName: "b"), completion: Candidates.referencesAndClones)
    var to: String?

    @Flag(help: "Show which files were added, changed, deleted and moved.")
    var files = false

    @Flag(help: "With --files: show them as a tree.")
    var tree = false

    @OptionGroup var partition: PartitionOption
    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func validate() throws {
        guard !tree || (files && !global.json) else {
            throw ValidationError("--tree goes with --files, and not with --json")
        }
        guard files || partition.partition == nil else {
            throw ValidationError("--partition goes with --files")
        }
    }

    func run(_ context: CommandContext) throws {
        if files { return try showFiles(context) }
        let diffs = try context.reader().diffs
        if let set = try diffs.setDiff(from, to) {
            return try context.show(set) {
                set.volumes.map { "volume \($0.volume)\n" + text($0.report, context) }
                    .joined(separator: "\n")
            }
        }
        let report = try diffs.diff(from, to)
        try context.show(report) { text(report, context) }
    }

    private func text(_ report: DiffReport, _ context: CommandContext) -> String {
        var table = Table([
            .init(title: "OFFSET", alignment: .right),
            .init(title: "LENGTH", alignment: .right),
        ])
        let rows = report.ranges.map { [String($0.lowerBound), display.size($0.count)] }
        let total =
            "\(display.size(report.changedBytes)) changed in \(report.ranges.count) ranges"
        let remark = report.isExact ? "" : " at most: there was a revert in between"
        return (rows.isEmpty ? "" : table.lines(rows, on: context.terminal))
            + total + remark + "\n"
    }

    private func showFiles(_ context: CommandContext) throws {
        let report = try context.reader().fileDiffs.diff(
            from, to, partition: partition.partition)
        try context.show(["diff": report.json]) {
            if tree, !report.changes.isEmpty { return treeText(report) }
            var table = Table([
                .init(title: "CHANGE"), .init(title: "WAS", alignment: .right),
                .init(title: "IS", alignment: .right), .init(title: "PATH"),
            ])
            let rows = report.changes.map { change in
                [
                    change.kind.rawValue, display.size(change.old?.byteCount),
                    display.size(change.new?.byteCount),
                    (change.from.map { "\($0.text) -> " } ?? "") + change.path.text,
                ]
            }
            return rows.isEmpty
                ? "no file differs\n" : table.lines(rows, on: context.terminal)
        }
        try FlawReport(report.flaws, "could not be compared").end(
            context, isShown: !global.json)
    }

    private func treeText(_ report: FileDiffReport) -> String {
        let tree = FileTree()
        for change in report.changes {
            let mark = change.kind.rawValue.prefix(1).uppercased()
            let name = change.path.last?.text ?? "/"
            let from = change.from.map { "  (was \($0.text))" } ?? ""
            tree.add(change.path, label: "\(mark) \(name)\(from)")
        }
        return tree.text(below: NodePath(), heading: "/")
    }
}
