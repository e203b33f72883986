import ArgumentParser
import Manager
import Scheduler
import Settings
import ShellWords
import SnapshotModel

struct PolicySimulateCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "simulate", "Show what will be kept, when, if snapshots go on as scheduled.",
        discussion: """
            It needs no data: it begins with the snapshots that there are, if any. With --keep, another policy than that of \
            the configuration is tried out; nothing is changed.
            """,
        examples: [
            "policy simulate data --for 1y", "policy simulate --for 3mo --json",
            "policy simulate data --keep 'last = 8, daily = 30'",
        ],
        exits: [.done, .failed, .usage, .notFound])

    @Argument(
        help: "A volume, a set or a VM of the configuration; all without one.",
        completion: Candidates.objects)
    var volume: String?

    @Option(
        name: .customLong("for"),
        help: ArgumentHelp("How far to look: 7d, 3mo, 1y.", valueName: "duration"))
    var span = Span(text: "1y", span: CalendarSpan(months: 12))

    @Option(
        help: ArgumentHelp(
            "Try this policy out, written as the keys of a table [policies.NAME].",
            valueName: "policy"))
    var keep: String?

    /// A length of time as the configuration has it, too.
    struct Span: ExpressibleByArgument {
        let text: String
        let span: CalendarSpan

        init(text: String, span: CalendarSpan) {
            self.text = text
            self.span = span
        }

        init?(argument: String) {
            guard let span = try? CalendarSpan(parsing: argument) else { return nil }
            self.init(text: argument, span: span)
        }

        var defaultValueDescription: String { text }
    }

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    /// So many moments are shown between now and the end.
    private static let sampleCount = 24
    private static let barWidth = 40

    func run(_ context: CommandContext) throws {
        let reports = try context.reader().policies.simulate(
            volume, span: span.span, sampleCount: Self.sampleCount, trying: try trial())
        try context.show(["simulations": JSONValue(reports)]) {
            reports.map { text($0, context) }.joined(separator: "\n")
        }
    }

    private func trial() throws -> TrialPolicy? {
        do throws(SettingsFailure) {
            return try keep.map { text throws(SettingsFailure) in try TrialPolicy(parsing: text) }
        } catch {
            throw error.problem(ofTrial: .shell)
        }
    }

    private func text(_ report: SimulationReport, _ context: CommandContext) -> String {
        let simulation = report.simulation
        let schedules =
            report.schedules.isEmpty ? "no schedule" : report.schedules.joined(separator: ", ")
        let policy = report.policy.map { "policy \($0)" } ?? "no policy: everything is kept"
        var text = context.terminal.bold("\(report.target): \(schedules); \(policy)") + "\n"
        text += chart(simulation)
        text +=
            "\(simulation.takenCount) taken until \(display.time(report.until)), "
            + "\(simulation.survivors.count) kept then:\n"
        return text + timeline(report) + rules(simulation) + pruned(report)
    }

    /// What would go now is news only where the policy is another one.
    private func pruned(_ report: SimulationReport) -> String {
        guard keep != nil else { return "" }
        return "\(report.pruned.count) of the snapshots that there are would be deleted now\n"
    }

    /// How many there are, moment by moment.
    private func chart(_ simulation: PolicySimulation) -> String {
        let most = max(1, simulation.samples.map(\.count).max() ?? 1)
        let digits = String(most).count
        return simulation.samples.map { sample in
            let length = (sample.count * Self.barWidth + most - 1) / most
            let count = String(sample.count)
            let padding = String(repeating: " ", count: digits - count.count)
            return "  \(display.time(sample.at))  \(padding)\(count) "
                + String(repeating: "#", count: length) + "\n"
        }.joined()
    }

    /// Where the kept ones lie: from the beginning, at the left, to the end.
    private func timeline(_ report: SimulationReport) -> String {
        let survivors = report.simulation.survivors
        guard let first = survivors.first?.takenAt else { return "" }
        let start = min(first, report.from)
        func distance(_ moment: Timestamp) -> Double {
            Double(moment.nanosecondsSinceEpoch - start.nanosecondsSinceEpoch)
        }
        let length = max(1, distance(report.until))
        var cells = [Int](repeating: 0, count: Self.timelineWidth)
        for survivor in survivors {
            let place = Int(distance(survivor.takenAt) / length * Double(cells.count))
            cells[min(max(place, 0), cells.count - 1)] += 1
        }
        let line = cells.map { count in
            switch count {
            case 0: " "
            case 1: "."
            case 2...4: ":"
            case 5...19: "+"
            default: "#"
            }
        }.joined()
        return "  |\(line)|\n  from \(display.time(start)) to \(display.time(report.until)); "
            + ". one, : up to 4, + up to 19, # more\n"
    }

    private static let timelineWidth = 72

    private func rules(_ simulation: PolicySimulation) -> String {
        guard let last = simulation.samples.last else { return "" }
        return zip(simulation.rules, last.countOfRule).map { "  \($0) keeps \($1)\n" }.joined()
    }
}
