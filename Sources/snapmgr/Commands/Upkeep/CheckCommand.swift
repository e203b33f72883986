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

            --repair --from takes from a mirror's target what snapshots here hold and a disk has altered: only \
            what is not what was sealed is written, and only with what was. The volume must not be served \
            meanwhile. Nothing is changed at the target; --dry-run changes nothing here either.
            """,
        examples: [
            "check", "check data --data", "check data --data --limit 50MiB",
            "check data --repair", "check data --repair --from offsite -n",
            "check data --repair --from ssh://backup@example.org/data",
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

    @Option(
        help: ArgumentHelp(
            "With --repair: take what is damaged from a mirror, or from the volume at its target.",
            valueName: "mirror|url"), completion: Candidates.mirrors)
    var from: String?

    @Flag(name: [.customShort("n"), .long], help: "With --from: only tell what would be mended.")
    var dryRun = false

    @OptionGroup var global: GlobalOptions

    func validate() throws {
        guard data || limit == nil && !restart else {
            throw ValidationError("--limit and --restart go with --data only")
        }
        guard from == nil || repair && volumes.count <= 1 else {
            throw ValidationError("--from goes with --repair, and with one volume")
        }
        guard from != nil || !dryRun else {
            throw ValidationError("--dry-run goes with --from only")
        }
    }

    func run(_ context: CommandContext) throws {
        let manager = try context.manager()
        let mended = try from.map {
            try manager.mirrors.mend(from: $0, volumes.first, isDryRun: dryRun)
        }
        var report = try manager.checks.check(
            mended?.volumes ?? volumes, readsData: data || from != nil && !dryRun,
            repairs: repair && !dryRun,
            scrub: ScrubRequest(bytesPerSecond: limit?.bytesPerSecond, restarts: restart))
        report.items = (mended?.items ?? []) + report.items
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
