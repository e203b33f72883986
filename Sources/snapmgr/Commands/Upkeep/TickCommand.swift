import ArgumentParser
import Manager
import SnapshotModel

struct TickCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "tick", "Take the snapshots that are due, then prune.",
        discussion: """
            What the systemd timer or a cron line calls, once a minute. While nothing is due it does \
            nothing but look after the active volumes under device-mapper. After a time off, one snapshot stands for all the slots that were missed. Ends \
            with 11 when another tick is at work and there is something to do.
            """,
        examples: ["tick", "tick --no-prune", "tick --dry-run"],
        exits: [.done, .failed, .usage, .partlyDone, .missing, .locked, .interrupted])

    @Flag(inversion: .prefixedNo, help: "Prune after snapshots were taken.")
    var prune = true

    @Flag(name: [.customShort("n"), .long], help: "Change nothing; say what is due.")
    var dryRun = false

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let options = try context.options()
        try context.tellWithoutConfiguration("nothing is scheduled")
        if Manager.hasNothingDue(options) {
            return try context.show(TickReport()) { "" }
        }
        let manager = try dryRun ? context.reader() : Manager(options)
        let report = try manager.ticks.tick(prunes: prune, isDryRun: dryRun)
        try context.show(report) { text(report) }
        guard let first = report.failures.first else { return }
        let isPart = report.failures.count < report.slots.count
        // What was not found or refused is one schedule's matter, and no answer to the command.
        let isPlain = first.code != .usage && first.code != .notFound && first.code != .refused
        throw Problem(
            isPart ? .partial : isPlain ? first.code : .failed, first.message, hint: first.hint)
    }

    private func text(_ report: TickReport) -> String {
        let lines = report.slots.map { slot in
            "\(slot.target) \(slot.schedule) \(display.time(slot.slot)): \(outcome(of: slot))\n"
        }
        let pruned = (report.prune?.volumes ?? []).filter { !$0.removed.isEmpty }.map { volume in
            "volume \(volume.volume): \(volume.removed.count) pruned, "
                + "\(display.size(volume.freedBytes)) freed\n"
        }
        return lines.joined() + pruned.joined()
    }

    private func outcome(of slot: TickReport.Slot) -> String {
        let missed = slot.missed > 0 ? " (for \(slot.missed) missed before it, too)" : ""
        switch slot.outcome {
        case .taken(let ids, let set):
            let list = ids.map(\.description).joined(separator: ", ")
            return "snapshot \(list)\(set.map { " (set:\($0))" } ?? "") taken\(missed)"
        case .served: return "was served before"
        case .unchanged: return "nothing was written, no snapshot\(missed)"
        case .failed(let problem): return "failed: \(problem.message)"
        case .due: return "due\(missed)"
        }
    }
}
