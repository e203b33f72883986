import ArgumentParser
import Glibc
import Manager
import SnapshotModel
import ShellWords
import VolumeAccess
import Monitoring

struct StatusCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "status", "Show volumes, stores, space and running merges.",
        discussion: """
            --nagios is a plugin for Nagios, Icinga and others, and ends with 0 OK, 1 WARNING, \
            2 CRITICAL, 3 UNKNOWN, whatever happens.

            CRITICAL: a slot of a schedule that waits for longer than two periods, or more than one \
            that was missed; a store below its floor of free space, or full within 2 days; a broken \
            chain; a volume that is written to at two sites; a store or origin that is missing; a \
            merge that failed.
            WARNING: a slot that waits for longer than 5 minutes, or a quarter of the period if that \
            is more; a schedule that no tick has seen, or that a clock set back holds up; a store \
            full within 7 days; a merge that nobody runs, is paused or stands still; a hold without \
            an end after 30 days; a mirror that failed three times, is two days behind, waits for a word on \
            a revert, has no volume, or whose target was promoted; snapshots that should have been pruned 2 days ago; a failure of a \
            snapshot or hook since the last success; a clock that has jumped ahead.
            UNKNOWN: no volume, or something that cannot be looked at.

            --prometheus is for node_exporter's textfile collector; --output replaces its file in \
            one step.
            """,
        examples: [
            "status", "status --watch", "status --nagios data",
            "status --prometheus --output /var/lib/prometheus/node-exporter/snapmgr.prom",
        ], exits: [.done, .failed, .usage, .notFound, .interrupted])

    @Argument(help: "The volumes; all by default.", completion: Candidates.objects)
    var volumes: [String] = []

    @Flag(help: "Show it again every second, until interrupted.")
    var watch = false

    @Flag(help: "Judge it, as a monitoring plugin.")
    var nagios = false

    @Flag(help: "Print metrics for Prometheus.")
    var prometheus = false

    @Option(help: ArgumentHelp("Write the metrics to FILE.", valueName: "file"))
    var output: String?

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func validate() throws {
        guard !(watch && global.json) else {
            throw ValidationError("--watch is for terminals, and does not go with --json")
        }
        let forms = [
            (nagios, "--nagios"), (prometheus, "--prometheus"), (watch, "--watch"),
            (global.json, "--json"),
        ].filter(\.0).map(\.1)
        guard forms.count <= 1 else {
            throw ValidationError("\(forms[0]) does not go with \(forms[1])")
        }
        guard output == nil || prometheus else {
            throw ValidationError("--output goes with --prometheus only")
        }
        guard output?.isEmpty != true else { throw ValidationError("--output needs a file") }
    }

    func run(_ context: CommandContext) throws {
        if nagios { return try runPlugin(context) }
        if prometheus { return try writeMetrics(context) }
        let manager = try context.reader()
        guard watch else {
            let found = try manager.status.status(volumes)
            let (mounts, warnings) = try (manager.mounts.list(volumes), manager.status.warnings())
            return try context.show(
                [
                    "volumes": JSONValue(found), "mounts": JSONValue(mounts),
                    "warnings": JSONValue(warnings),
                ]
            ) {
                text(found, context) + mounts.map(line).joined()
                    + warnings.map { warning($0, context) }.joined()
            }
        }
        while !Interruption.cancellation.isRequested {
            // Cursor home, and everything below it cleared.
            let clear = context.terminal.showsProgress ? "\u{1B}[H\u{1B}[2J" : ""
            let found = text(try manager.status.status(volumes), context)
            Output.write(clear)
            Output.show(found)
            sleep(1)
        }
        throw Cancellation.problem
    }

    // MARK: monitoring

    /// Errors become UNKNOWN in ``CommandRunner``.
    private func runPlugin(_ context: CommandContext) throws {
        let result = try Manager(existing: context.options()).monitoring.plugin(volumes)
        Output.write(result.text)
        if result.status != 0 { throw ExitCode(result.status) }
    }

    /// What cannot be looked at is a metric, too, so that a file does not just become old.
    private func writeMetrics(_ context: CommandContext) throws {
        do {
            let manager = try Manager(existing: context.options())
            try deliver(try manager.monitoring.exposition(volumes))
        } catch let failure as OutputFailure {
            throw failure.problem
        } catch {
            try? deliver(MonitorService.failedExposition)
            throw error
        }
    }

    private func deliver(_ metrics: String) throws(OutputFailure) {
        guard let output else { return Output.write(metrics) }
        do { try OutputFile.replace(output, with: metrics) } catch {
            throw OutputFailure(problem: Problem(error))
        }
    }

    /// The result is there, but cannot be written.
    private struct OutputFailure: Error {
        var problem: Problem
    }

    // MARK: text

    private func text(_ volumes: [VolumeHealth], _ context: CommandContext) -> String {
        var table = Table([
            .init(title: "VOLUME", isCut: true),
            .init(title: "STATE", emphasis: StateWords.emphasis), .init(title: "SERVED", rank: 4),
            .init(title: "SIZE", alignment: .right, rank: 2),
            .init(title: "SNAPSHOTS", alignment: .right, rank: 1),
            .init(title: "NEWEST"), .init(title: "STORE", alignment: .right, rank: 3),
            .init(title: "FREE", alignment: .right, emphasis: StateWords.roomEmphasis),
            .init(title: "FULL IN", alignment: .right, emphasis: StateWords.fullEmphasis),
            .init(title: "MERGE"),
        ])
        // What has to be decided by people comes before all else.
        let splits = volumes.flatMap { volume in
            volume.splits.map {
                warning("volume \(volume.volume.record.name): \($0)", context)
            }
        }
        let warnings = volumes.flatMap { volume in
            (volume.warnings.filter { !volume.splits.contains($0) }
                + [roomWarning(volume)].compactMap(\.self)).map {
                    warning("volume \(volume.volume.record.name): \($0)", context)
                }
        }
        let places = volumes.compactMap { volume in
            volume.uri.map { "\(volume.volume.record.name) is served at \($0)\n" }
        }
        return splits.joined()
            + table.lines(volumes.map(row), on: context.terminal) + places.joined()
            + volumes.flatMap(\.mirrors).map(line).joined() + standings(volumes)
            + warnings.joined()
    }

    private func standings(_ volumes: [VolumeHealth]) -> String {
        volumes.compactMap { health in
            guard let standing = health.standing else { return nil }
            let name = health.volume.record.name
            let since =
                "generation \(standing.generation.number), since \(display.time(standing.since))"
            switch standing.role {
            case .target: return "volume \(name) is a mirror's target: \(since)\n"
            case .primary: return "volume \(name) was promoted: \(since)\n"
            case .promoting: return nil
            }
        }.joined()
    }

    private func warning(_ text: String, _ context: CommandContext) -> String {
        context.terminal.text("warning:", .bad) + " \(text)\n"
    }

    /// What has to be done before the store is full.
    private func roomWarning(_ health: VolumeHealth) -> String? {
        let name = health.volume.record.name
        let remedy = Wording.shell.text(
            "\(.pruneExplained(name)) tells what can go, \(.volumeShow(name)) where the store lies")
        if health.freeBytes == 0 { return "its store is full: \(remedy)" }
        guard let days = health.daysToFull, days < StateWords.soonDays else { return nil }
        return "its store is full in \(StateWords.fullIn(days: days)): \(remedy)"
    }

    private func line(_ mirror: MirrorSummary) -> String {
        let record = mirror.record
        let head = "mirror \(record.name) of volume \(record.volume) to \(record.target): "
        let lag =
            mirror.missingCount == 0
            ? "it has all"
            : "\(mirror.missingCount) snapshots behind, \(display.size(mirror.missingBytes)), since "
                + MirrorWords.duration(mirror.lagSeconds)
        return head + lag
            + (record.failure.map { "; \(record.failureCount) failures, the last: \($0.message)" }
                ?? "")
            + "\n"
    }

    private func line(_ mount: MountReport) -> String {
        let remedy = Wording.shell.text("\(.umount(mount.folder))")
        switch mount.state {
        case .mounted, .planned: break
        case .broken:
            return "warning: \(mount.what) is mounted on \(mount.folder), but a part of that has "
                + "ended, and nothing can be read: run \(remedy)\n"
        case .unmounted:
            return "\(mount.what) was unmounted from \(mount.folder) by hand: the next tick ends "
                + "what it was mounted with, or \(remedy)\n"
        }
        return "\(mount.what) is mounted on \(mount.folder) (\(mount.filesystem ?? ""), "
            + "\(mount.isReadOnly ? "read-only" : "writable"))\n"
    }

    private func row(_ health: VolumeHealth) -> [String] {
        let volume = health.volume
        return [
            volume.record.name, volume.state.rawValue, health.isInUse ? "yes" : "no",
            display.size(volume.record.geometry.volumeBytes), String(volume.snapshotCount),
            display.time(health.newest), display.size(volume.storeBytes),
            display.size(health.freeBytes), StateWords.fullIn(days: health.daysToFull),
            health.merge.map {
                DisplayOptions.progress(done: $0.mergedBytes, total: $0.planBytes, rate: $0.rate)
            } ?? health.queuedRevert.map { "to \($0) when closed" } ?? "-",
        ]
    }
}
