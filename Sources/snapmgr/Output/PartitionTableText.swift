import Manager
import SnapshotModel

/// The partitions of a disk, for people and as JSON.
struct PartitionTableText {
    private let display: DisplayOptions

    init(_ display: DisplayOptions) { self.display = display }

    func show(_ reference: String, _ context: CommandContext) throws {
        let report = try context.reader().partitions.list(reference)
        try context.show(report) { text(report, context) }
    }

    private func text(_ report: PartitionReport, _ context: CommandContext) -> String {
        guard !report.partitions.isEmpty else { return "no partitions\n" }
        var table = Table([
            .init(title: "PARTITION", alignment: .right),
            .init(title: "OFFSET", alignment: .right), .init(title: "SIZE", alignment: .right),
            .init(title: "HOLDS"),
        ])
        return table.lines(
            report.partitions.map { partition in
                [
                    String(partition.number), String(partition.offset),
                    display.size(partition.byteCount), partition.content ?? "not known",
                ]
            }, on: context.terminal)
    }
}
