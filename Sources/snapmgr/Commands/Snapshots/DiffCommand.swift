import ArgumentParser
import Manager
import SnapshotModel

struct DiffCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "diff", "Show where two snapshots, or a snapshot and the volume as it is, differ.",
        discussion: """
            No data is read, so a range may have been written without a change. After a revert \
            between the two, ranges may also have been written back: then the result is not exact.
            """,
        examples: ["diff 41 42", "diff data@latest data@live --bytes"],
        exits: [.done, .failed, .usage, .notFound, .missing])

    @Argument(help: ArgumentHelp("One snapshot.", valueName: "a"))
    var from: String

    @Argument(help: ArgumentHelp("The other, or VOL@live.", valueName: "b"))
    var to: String

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let report = try context.reader().diffs.diff(from, to)
        try context.show(report) {
            var table = Table([
                .init(title: "OFFSET", alignment: .right),
                .init(title: "LENGTH", alignment: .right),
            ])
            let rows = report.ranges.map { [String($0.lowerBound), display.size($0.count)] }
            let total =
                "\(display.size(report.changedBytes)) changed in \(report.ranges.count) ranges"
            let remark = report.isExact ? "" : " at most: there was a revert in between"
            return (rows.isEmpty ? "" : table.lines(rows, heading: context.terminal.bold))
                + total + remark + "\n"
        }
    }
}
