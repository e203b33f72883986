import ArgumentParser
import Manager
import SnapshotModel

struct PruneCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "prune", "Delete the snapshots that the retention policies let go.",
        discussion: """
            A snapshot goes only when every rule of its policy lets it go and nothing else needs it. \
            Volumes without a policy keep everything. A clock that has jumped ahead does not age \
            snapshots until it has run steadily for a day. See snapmgr-retention(7).
            """,
        examples: ["prune --dry-run --explain data", "prune"],
        exits: [.done, .failed, .usage, .partlyDone, .notFound, .missing, .locked, .interrupted])

    @Argument(help: "The volumes; all without any.", completion: Candidates.objects)
    var volumes: [String] = []

    @Flag(name: [.customShort("n"), .long], help: "Change nothing; say what would go.")
    var dryRun = false

    @Flag(help: "Say for each snapshot what keeps it and until when, or why it goes.")
    var explain = false

    @Flag(help: "Take the clock of this machine for right, although it has jumped.")
    var acceptClock = false

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        try context.tellWithoutConfiguration("everything is kept")
        let report = try (dryRun ? context.reader() : context.manager()).pruning.prune(
            volumes, isDryRun: dryRun, explains: explain, acceptsClock: acceptClock)
        try context.show(report) {
            report.volumes.map { text($0, context) }.joined()
        }
        try Self.throwFailures(of: report)
    }

    /// What stopped the prune of some volumes, after the others were done.
    static func throwFailures(of report: PruneReport) throws {
        let failures = report.volumes.compactMap(\.failure)
        guard let first = failures.first else { return }
        let isPart = failures.count < report.volumes.count
        throw Problem(isPart ? .partial : first.code, first.message, hint: first.hint)
    }

    private func text(_ volume: VolumePrune, _ context: CommandContext) -> String {
        if let failure = volume.failure, volume.removed.isEmpty {
            return "volume \(volume.volume): not pruned: \(failure.message)\n"
        }
        var text = explain ? explanation(volume, context) : removals(volume)
        let count = volume.removed.count
        let verb = dryRun ? "would go" : "pruned"
        text +=
            "volume \(volume.volume): \(count) \(count == 1 ? "snapshot" : "snapshots") \(verb), "
            + (dryRun ? "about " : "") + display.size(volume.freedBytes)
            + (dryRun ? " would be freed" : " freed") + ", \(volume.keptCount) kept\n"
        if volume.missingBytes > 0 {
            text +=
                "volume \(volume.volume): free space \(dryRun ? "is" : "was") "
                + "\(display.size(volume.missingBytes)) below its floor\n"
        }
        return text
    }

    private func removals(_ volume: VolumePrune) -> String {
        volume.removed.map { removal in
            "snapshot \(removal.id) of \(display.time(removal.takenAt)) "
                + (dryRun ? "would go" : "went") + ", \(display.size(removal.aloneBytes)) alone\n"
        }.joined()
    }

    private struct Line {
        var id: SnapshotID
        var takenAt: Timestamp
        var cells: [String]
    }

    /// All snapshots in the order of time.
    private func explanation(_ volume: VolumePrune, _ context: CommandContext) -> String {
        var table = Table([
            .init(title: "ID", alignment: .right), .init(title: "TAKEN"), .init(title: ""),
            .init(title: "ALONE", alignment: .right), .init(title: "UNTIL"), .init(title: "WHY"),
        ])
        let gone = volume.removed.map { removal in
            Line(
                id: removal.id, takenAt: removal.takenAt,
                cells: ["goes", display.size(removal.aloneBytes), "-"] + [
                    removal.reasons.joined(separator: "; ")
                ])
        }
        let kept = volume.kept.map { stay in
            Line(
                id: stay.id, takenAt: stay.takenAt,
                cells: [
                    "kept", "-",
                    stay.retention.isForGood ? "ever" : display.time(stay.retention.expiresAt),
                    stay.retention.reasons.joined(separator: "; "),
                ])
        }
        let lines = (gone + kept).sorted { ($0.takenAt, $0.id) < ($1.takenAt, $1.id) }
        return table.lines(
            lines.map { [$0.id.description, display.time($0.takenAt)] + $0.cells },
            on: context.terminal)
    }
}
