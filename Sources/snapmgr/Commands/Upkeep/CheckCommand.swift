import ArgumentParser
import Manager
import ShellWords
import SnapshotModel

struct CheckCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "check", "Look for damage in stores and catalog.",
        discussion: """
            Ends with 1 when damage is found that was not repaired.

            --data compares what snapshots hold with what was sealed when it had become final, and reads \
            the rest. It may run while the volume is served. When it is interrupted, the next one within a \
            day goes on.
            """,
        examples: [
            "check", "check data --data", "check data --data --limit 50MiB",
            "check data --repair",
        ])

    @Argument(
        help: ArgumentHelp("The volume; all without one.", valueName: "vol"),
        completion: Candidates.objects)
    var volumes: [String] = []

    @Flag(help: "Read all data, too.")
    var data = false

    @Option(
        help: ArgumentHelp(
            "With --data: read at most so much per second.", valueName: "rate"))
    var limit: MergeThrottleCommand.Rate?

    @Flag(help: "With --data: begin anew, also where the last one was interrupted.")
    var restart = false

    @Flag(help: "Mend what can be mended.")
    var repair = false

    @OptionGroup var global: GlobalOptions

    func validate() throws {
        guard data || limit == nil && !restart else {
            throw ValidationError("--limit and --restart go with --data only")
        }
    }

    func run(_ context: CommandContext) throws {
        let report = try context.manager().checks.check(
            volumes, readsData: data, repairs: repair,
            scrub: ScrubRequest(bytesPerSecond: limit?.bytesPerSecond, restarts: restart))
        try context.show(report.json) { text(report) }
        if report.damageCount > 0 { throw ExitCode(ExitStatus.failed.rawValue) }
    }

    private func text(_ report: CheckReport) -> String {
        let lines = report.items.map { item in
            let finding = item.finding
            let place = item.volume.map { "volume \($0), \(finding.object)" } ?? finding.object
            let remedy = finding.remedy.map { "\n    \(Wording.shell.text($0))" } ?? ""
            return "\(finding.severity.rawValue): \(place): \(finding.message)\(remedy)\n"
        }
        let count = report.volumes.count
        return lines.joined()
            + "\(count) \(count == 1 ? "volume" : "volumes") checked, "
            + "damage in \(report.damageCount) places\n"
    }
}

extension CheckReport {
    fileprivate var json: JSONValue {
        [
            "volumes": JSONValue(volumes), "damaged": JSONValue(damageCount),
            "findings": .array(
                items.map { item in
                    [
                        "volume": JSONValue(item.volume),
                        "severity": JSONValue(item.finding.severity),
                        "object": JSONValue(item.finding.object),
                        "message": JSONValue(item.finding.message),
                        "remedy": JSONValue(item.finding.remedy.map(Wording.shell.text)),
                        "commands": JSONValue(commandsOf: item.finding.remedy),
                        "repairable": JSONValue(item.finding.isRepairable),
                        "snapshots": item.finding.snapshots.map { ids -> JSONValue in
                            .array(ids.map { JSONValue($0) })
                        } ?? JSONValue.null,
                        "ranges": item.finding.ranges.map { ranges -> JSONValue in
                            .array(
                                ranges.map { range in
                                    [
                                        "offset": JSONValue(range.lowerBound),
                                        "length": JSONValue(range.count),
                                    ]
                                })
                        } ?? JSONValue.null,
                    ]
                }),
        ]
    }
}
