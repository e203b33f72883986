import ArgumentParser
import Manager
import Monitoring
import Scheduler
import SnapshotModel

struct MirrorShowCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "show", "Show all that is known of a mirror.", examples: ["mirror show offsite"],
        exits: [.done, .failed, .usage, .notFound])

    @Argument(help: "The mirror.", completion: Candidates.mirrors)
    var name: String

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let mirror = try context.reader().mirrors.show(name)
        try context.show(["mirror": mirror.json]) { text(mirror) }
    }

    private func rate(_ bytes: Int?) -> String { bytes.map { display.size($0) + "/s" } ?? "none" }

    private func limits(_ mirror: MirrorSummary) -> String {
        let rates = mirror.record.rates
        guard !rates.parts.isEmpty else { return rate(rates.standard) }
        let parts = rates.parts.map { "\($0.hours) \(rate($0.bytesPerSecond))" }
        return
            "\(rate(mirror.limitNow)) now; \(parts.joined(separator: ", ")), else \(rate(rates.standard))"
    }

    private func text(_ mirror: MirrorSummary) -> String {
        let record = mirror.record
        var lines = [
            ("name", record.name), ("volume", record.volume), ("target", record.target),
            ("state", mirror.state.rawValue + (mirror.isRunning ? ", a run is at work" : "")),
            ("on revert", record.onRevert.rawValue),
            ("limit", limits(mirror)),
            (
                "base",
                record.base.map {
                    "snapshot \($0.id), taken at \(display.time($0.takenAt)), there \($0.targetID)"
                } ?? "none: nothing was sent yet"
            ),
            (
                "missing",
                "\(mirror.missingCount) snapshots, \(display.size(mirror.missingBytes)), since "
                    + MirrorWords.duration(mirror.lagSeconds)
            ),
            ("last attempt", display.time(record.lastAttemptAt)),
            ("last success", display.time(record.lastSuccessAt)),
        ]
        if let role = mirror.targetRole {
            lines.append(("target", "\(role.rawValue), of generation \(mirror.targetGeneration)"))
        }
        if let split = record.split {
            lines.append(
                (
                    "split brain",
                    "since \(display.time(split.foundAt)); in common: \(split.common ?? "nothing")"
                ))
        }
        if let failure = record.failure {
            lines.append(("failures", "\(record.failureCount), the last: \(failure.message)"))
            lines.append(("next attempt", display.time(record.nextAttemptAt)))
        }
        return lines.map { "\($0.0): \($0.1)\n" }.joined()
    }
}
