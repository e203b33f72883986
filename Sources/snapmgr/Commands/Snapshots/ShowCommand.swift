import ArgumentParser
import Manager
import SnapshotModel

struct ShowCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "show", "Show everything known of a snapshot.", examples: ["show 42", "show data@latest"],
        exits: [.done, .failed, .usage, .notFound, .missing])

    @Argument(help: ArgumentHelp("The snapshot.", valueName: "id"))
    var snapshot: String

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let details = try context.reader().details.show(snapshot)
        try context.show(details) { text(details) }
    }

    private func text(_ details: SnapshotDetails) -> String {
        let (summary, manifest) = (details.summary, details.summary.manifest)
        var sheet = Sheet()
        let own: [SnapshotColumn] = [.setID, .holds, .keptBy, .expiresAt]
        for column in SnapshotColumn.allCases where !own.contains(column) {
            let value = column.cell(summary, display)
            sheet.add(column.rawValue, value == "-" ? nil : value)
        }
        sheet.add("size", display.size(manifest.volumeBytes))
        sheet.add("set", manifest.setID.map { "set:\($0) \(manifest.setName ?? "")" })
        sheet.add(
            "set members",
            details.setMembers.map { "\($0.volume)@\($0.id)" }.joined(separator: ", "))
        sheet.add("revert", manifest.revertID?.description)
        sheet.add("previous", details.previous?.description)
        sheet.add("next", details.next?.description)
        sheet.add("clones", details.clones.joined(separator: ", "))
        sheet.add(
            "received from",
            details.source.map { "snapshot \($0.id), taken at \(display.time($0.takenAt))" })
        addRetention(summary, to: &sheet)
        for hold in details.holds {
            let until = hold.until.map { ", until \(display.time($0))" } ?? ""
            let expired = hold.isExpired ? " (expired)" : ""
            sheet.add("held by", "\(hold.owner): \(hold.reason)\(until)\(expired)")
        }
        return sheet.text
    }

    private func addRetention(_ summary: SnapshotSummary, to sheet: inout Sheet) {
        guard let retention = summary.retention else { return }
        sheet.add("policy", retention.policy)
        for reason in retention.reasons { sheet.add("kept by", reason) }
        for refusal in retention.refusals { sheet.add("goes", refusal) }
        let forGood = retention.isForGood ? "never" : nil
        sheet.add("expires", retention.expiresAt.map { display.time($0) } ?? forGood)
    }
}
