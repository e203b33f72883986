internal import System
internal import Catalog
package import Scheduler
internal import Settings
package import SnapshotModel

/// What a policy will keep of one volume, or of a set's schedules.
package struct SimulationReport: Sendable {
    /// `volume:NAME` or `set:NAME`.
    package var target: String
    /// The policy's name; nil when there is none, and everything is kept.
    package var policy: String?
    package var schedules: [String]
    package var from: Timestamp
    package var until: Timestamp
    package var simulation: PolicySimulation
}

extension SimulationReport: JSONConvertible {
    package var json: JSONValue {
        [
            "target": JSONValue(target), "policy": JSONValue(policy),
            "schedules": JSONValue(schedules), "from": JSONValue(from), "until": JSONValue(until),
            "taken": JSONValue(simulation.takenCount), "rules": JSONValue(simulation.rules),
            "samples": .array(
                simulation.samples.map { sample in
                    [
                        "at": JSONValue(sample.at), "count": JSONValue(sample.count),
                        "by_rule": .array(sample.countOfRule.map { JSONValue($0) }),
                    ]
                }),
            "kept": .array(
                simulation.survivors.map { survivor in
                    [
                        "taken_at": JSONValue(survivor.takenAt),
                        "id": JSONValue(survivor.existing),
                        "reasons": JSONValue(survivor.reasons),
                    ]
                }),
        ]
    }
}

/// Plays the future of policies; needs no data, and no volume either.
package struct PolicyService {
    let context: ManagerContext

    /// - Parameters:
    ///   - name: a volume or a set of the settings, or a volume of the catalog; nil is all that have
    ///     schedules.
    ///   - span: how far to look.
    /// - Throws: `notFound` for a name that nothing has; the settings' errors.
    package func simulate(
        _ name: String?, span: CalendarSpan, sampleCount: Int
    ) throws -> [SimulationReport] {
        let settings = try context.settings.get()
        let now = context.clock.now()
        let end = try Self.moment(span, after: now)
        var reports: [SimulationReport] = []
        for volume in try volumes(name, settings) {
            let own = settings.volume(volume)
            reports.append(
                report(
                    .volume(volume), own.policy, own.schedules,
                    existing: try existing(of: volume, settings), now, end, sampleCount))
        }
        for set in settings.sets.values.sorted(by: { $0.name < $1.name })
        where !set.schedules.isEmpty && (name == nil || name == set.name) {
            reports.append(
                report(
                    .set(set.name), set.policy, set.schedules, existing: [], now, end, sampleCount))
        }
        guard !reports.isEmpty else { throw nothing(name) }
        return reports
    }

    private func volumes(_ name: String?, _ settings: Settings) throws -> [String] {
        guard let name else {
            return settings.volumes.values.filter { !$0.schedules.isEmpty }.map(\.name).sorted()
        }
        let isKnown =
            try settings.volumes[name] != nil || context.catalog.volume(named: name) != nil
        return isKnown ? [name] : []
    }

    private func nothing(_ name: String?) -> Problem {
        guard let name else {
            return Problem(
                .notFound, "the settings have no volume or set with a schedule",
                hint: "give one schedules, then run \(.configCheck)")
        }
        return Problem(
            .notFound, "there is no volume or set \(name)",
            hint: "run \(.configShow) and \(.volumeList)")
    }

    private func report(
        _ target: ScheduleTarget, _ policy: NamedPolicy?, _ schedules: [Schedule],
        existing: [RetentionSubject], _ now: Timestamp, _ end: Timestamp, _ sampleCount: Int
    ) -> SimulationReport {
        let scope = RetentionScope(
            name: policy?.name ?? "none", policy: policy?.policy ?? RetentionPolicy(rules: []),
            nextSlot: VolumeRetention.nextSlot(of: schedules))
        return SimulationReport(
            target: target.description, policy: policy?.name, schedules: schedules.map(\.name),
            from: now, until: end,
            simulation: PolicySimulation(
                scope, existing: existing, from: now, until: end, sampleCount: sampleCount))
    }

    /// The snapshots that the volume's own policy is about.
    private func existing(of volume: String, _ settings: Settings) throws -> [RetentionSubject] {
        guard let row = try context.catalog.volume(named: volume) else { return [] }
        let plan = try VolumeRetention(context, settings, row).plan()
        let sets = Set(settings.sets(of: volume).map(\.name))
        let rows = try context.catalog.retentionRows(volume: volume)
            .reduce(into: [:]) { $0[$1.id] = $1 }
        return plan.subjects.filter { subject in
            guard subject.kind == .scheduled else { return false }
            return rows[subject.id]?.setName.map { !sets.contains($0) } ?? true
        }
    }

    /// - Throws: `usage` for a moment that cannot be represented.
    private static func moment(_ span: CalendarSpan, after now: Timestamp) throws -> Timestamp {
        let end = span.after(now)
        guard Timestamp.recordable.contains(end) else {
            throw Problem(
                .usage,
                "\(span) from now lies beyond the year 2500, the last one that is reckoned with",
                hint: "look less far ahead, as with --for 10y")
        }
        return end
    }
}
