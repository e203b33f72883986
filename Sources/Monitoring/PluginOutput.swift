package import SnapshotModel

/// What a monitoring plugin prints, and the exit code that goes with it.
///
/// Source of the form: Monitoring Plugins Development Guidelines, "Plugin Output for Nagios" and
/// "Performance data"; Nagios Plugin API, "Plugin Output Spec".
package struct PluginOutput: Hashable, Sendable {
    /// A line that says it all, performance data behind a bar, then a line for each finding.
    package let text: String
    /// 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
    package let status: Int32

    package init(_ reading: MonitorReading, _ wording: Wording) {
        let findings = MonitorJudge(reading).findings
        let severity = findings.severity
        let data = Self.performanceData(reading).joined(separator: " ")
        let first = "SNAPMGR \(severity.word) - \(Self.headline(findings, reading, wording))"
        let lines = findings.map { "\($0.severity.word): \(Self.clean(wording.text($0.sentence)))" }
        text = ([data.isEmpty ? first : "\(first) | \(data)"] + lines).map { $0 + "\n" }.joined()
        status = severity.rawValue
    }

    /// Of a check that could not be made.
    package init(_ problem: Problem, _ wording: Wording) {
        let hint = problem.hint.map { "\(Self.clean(wording.text($0)))\n" } ?? ""
        text = "SNAPMGR UNKNOWN - \(Self.clean(problem.message))\n\(hint)"
        status = MonitorSeverity.unknown.rawValue
    }

    // MARK: words

    private static func headline(
        _ findings: [MonitorFinding], _ reading: MonitorReading, _ wording: Wording
    ) -> String {
        guard let worst = findings.first, worst.severity != .ok else {
            let snapshots = reading.volumes.reduce(0) { $0 + $1.snapshotCount }
            return [
                MonitorJudge.count(reading.volumes.count, "volume"),
                MonitorJudge.count(snapshots, "snapshot"),
                MonitorJudge.count(reading.schedules.count, "schedule"),
            ].joined(separator: ", ")
        }
        let others = findings.count { $0.severity != .ok } - 1
        return clean(wording.text(worst.sentence)) + (others > 0 ? " (and \(others) more)" : "")
    }

    /// A bar would begin the performance data, and a line break the next line.
    private static func clean(_ text: String) -> String {
        String(
            text.map { character -> Character in
                if character == "|" { return "/" }
                let isControl = character.unicodeScalars.contains {
                    $0.properties.generalCategory == .control
                }
                return isControl ? " " : character
            })
    }
}

// MARK: - Performance data

extension PluginOutput {
    private static func performanceData(_ reading: MonitorReading) -> [String] {
        reading.volumes.flatMap { data(of: $0, now: reading.now) }
            + reading.schedules.map { data(of: $0, now: reading.now) }
    }

    private static func data(of volume: VolumeReading, now: Timestamp) -> [String] {
        let name = volume.name
        let days = (MonitorLimits.daysToFullWarning, MonitorLimits.daysToFullCritical)
        return [
            item("\(name)_snapshots", "\(volume.snapshotCount)", minimum: "0"),
            volume.newest.map {
                item("\(name)_newest_age", "\(max(0, $0.seconds(until: now)))s", minimum: "0")
            },
            volume.storeBytes.map { item("\(name)_store", "\($0)B", minimum: "0") },
            volume.freeBytes.map { free in
                item(
                    "\(name)_free", "\(free)B", critical: volume.floorBytes.map { "\($0):" } ?? "",
                    minimum: "0", maximum: volume.filesystemBytes.map { "\($0)" } ?? "")
            },
            volume.daysToFull.map {
                item(
                    "\(name)_days_to_full", "\($0)", warning: "\(days.0):",
                    critical: "\(days.1):", minimum: "0")
            },
            volume.merge.map {
                item(
                    "\(name)_merged", "\($0.mergedBytes)B", minimum: "0", maximum: "\($0.planBytes)"
                )
            },
        ].compactMap { $0 }
    }

    private static func data(of schedule: ScheduleReading, now: Timestamp) -> String {
        let target =
            switch schedule.target {
            case .volume(let name): name
            case .set(let name): "set:\(name)"
            }
        return item(
            "\(target)/\(schedule.name)_late", "\(schedule.lateSeconds(now: now))s",
            warning: "\(schedule.lateLimits.warning)",
            critical: "\(schedule.lateLimits.critical)", minimum: "0")
    }

    /// `'label'=value;warning;critical;minimum;maximum`, without what is empty at the end.
    private static func item(
        _ label: String, _ value: String, warning: String = "", critical: String = "",
        minimum: String = "", maximum: String = ""
    ) -> String {
        let quoted = clean(label).split(separator: "'", omittingEmptySubsequences: false)
            .joined(separator: "''").filter { $0 != "=" }
        var fields = [value, warning, critical, minimum, maximum]
        while fields.last?.isEmpty == true { fields.removeLast() }
        return "'\(quoted)'=\(fields.joined(separator: ";"))"
    }
}
