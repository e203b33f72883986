import ArgumentParser
import Manager
import SnapshotModel

struct ShowCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "show", "Show everything known of a snapshot, or of a set.",
        examples: ["show 42", "show data@latest", "show vm1@2h", "show set:7"],
        exits: [.done, .failed, .usage, .notFound, .missing])

    @Argument(
        help: ArgumentHelp("The snapshot or set.", valueName: "id"),
        completion: Candidates.references)
    var snapshot: String

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let service = try context.reader().details
        if let set = try service.set(snapshot) {
            return try context.show(set) { text(set, context) }
        }
        let details = try service.show(snapshot)
        try context.show(details) { text(details) }
    }

    private func text(_ details: SetDetails, _ context: CommandContext) -> String {
        var sheet = Sheet()
        sheet.add("set", "set:\(details.set.id)")
        sheet.add("name", details.set.name)
        sheet.add("taken", display.time(details.set.createdAt))
        sheet.add("without", details.missing.joined(separator: ", "))
        var table = Table(SnapshotColumn.usual.map(\.heading))
        let rows = details.snapshots.map { row in
            SnapshotColumn.usual.map { $0.cell(row, display) }
        }
        return sheet.text + "\n" + table.lines(rows, on: context.terminal)
            + rest(details.machines)
    }

    /// What came to rest for a set, step by step, and as a picture.
    private func rest(_ record: MachinesRecord?) -> String {
        guard let record else { return "" }
        var sheet = Sheet()
        addMachines(record, to: &sheet)
        return "\n" + sheet.text + picture(record)
    }

    private func picture(_ record: MachinesRecord) -> String {
        TimelinePicture(record.steps).map { "\n" + $0.text } ?? ""
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
        addMachines(details.machines, to: &sheet)
        addRetention(summary, to: &sheet)
        for hold in details.holds {
            let until = hold.until.map { ", until \(display.time($0))" } ?? ""
            let expired = hold.isExpired ? " (expired)" : ""
            sheet.add("held by", "\(hold.owner): \(hold.reason)\(until)\(expired)")
        }
        return sheet.text + (details.machines.map(picture) ?? "")
    }

    private func addMachines(_ record: MachinesRecord?, to sheet: inout Sheet) {
        guard let record else { return }
        for machine in record.machines {
            let parts = [
                machine.level.rawValue, machine.reason,
                machine.frozenMicroseconds.map { "frozen for \(milliseconds($0))" },
                machine.downtimeMicroseconds.map { "stood still for \(milliseconds($0))" },
                machine.state.map {
                    "memory of \(display.size($0.byteCount)) in \(display.size($0.storedBytes))"
                },
            ].compactMap(\.self)
            sheet.add("VM \(machine.name)", parts.joined(separator: ", "))
        }
        for participant in record.participants ?? [] {
            sheet.add(
                "program \(participant.who)", participant.reason ?? "at rest all the while")
        }
        for step in record.steps {
            sheet.add("at \(milliseconds(step.atMicroseconds))", step.text)
        }
    }

    private func milliseconds(_ microseconds: Int64) -> String {
        Milliseconds(microseconds).description
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
