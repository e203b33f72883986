internal import System
internal import Catalog
package import Scheduler
package import Settings
package import SnapshotModel

/// What a policy will keep of one volume, or of a set's snapshots.
package struct SimulationReport: Sendable {
    /// `volume:NAME` or `set:NAME`.
    package var target: String
    /// The policy's name; nil when there is none, and everything is kept.
    package var policy: String?
    package var schedules: [String]
    package var from: Timestamp
    package var until: Timestamp
    package var simulation: PolicySimulation
    /// The snapshots that a prune would delete now by this policy, oldest first.
    package var pruned: [SnapshotID]
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
            "pruned": .array(pruned.map { JSONValue($0) }),
        ]
    }
}

/// Plays the future of policies; needs no data, and no volume either.
package struct PolicyService {
    let context: ManagerContext

    /// - Parameters:
    ///   - name: a volume, a set or a VM of the settings, or a volume of the catalog; `volume:NAME` and `set:NAME`, as
    ///     reports have them, are these alone. Nil is all that have schedules.
    ///   - span: how far to look.
    ///   - keep: what is tried out in the place of their policies.
    /// - Throws: `notFound` for a name that nothing has; `usage` for what is wrong with `keep`; the settings' errors.
    package func simulate(
        _ name: String?, span: CalendarSpan, sampleCount: Int, trying keep: TrialPolicy? = nil
    ) throws -> [SimulationReport] {
        let settings = try context.settings.get()
        let trial = try keep.map { keep in
            NamedPolicy(name: TrialPolicy.name, policy: try policy(keep, settings.defaults))
        }
        let now = context.clock.now()
        let end = try Self.moment(span, after: now)
        let targets = try targets(name, settings)
        guard !targets.isEmpty else { throw nothing(name) }
        return try targets.map { target in
            try context.end.check()
            return try report(
                target, settings, trying: trial, from: now, until: end, sampleCount)
        }
    }

    private func policy(
        _ keep: TrialPolicy, _ defaults: SettingsDefaults
    ) throws(Problem) -> RetentionPolicy {
        do {
            return try keep.policy(defaults)
        } catch {
            throw error.problem(ofTrial: context.wording)
        }
    }

    // MARK: what it is about

    private func targets(_ name: String?, _ settings: Settings) throws -> [ScheduleTarget] {
        let sets = settings.sets.values.filter { !$0.schedules.isEmpty }.map(\.name).sorted()
        guard let name else {
            let volumes = settings.volumes.values.filter { !$0.schedules.isEmpty }.map(\.name)
            return volumes.sorted().map { .volume($0) } + sets.map { .set($0) }
        }
        if let set = Self.suffix(of: name, after: "set:") {
            return settings.sets[set] == nil ? [] : [.set(set)]
        }
        let volume = Self.suffix(of: name, after: "volume:") ?? name
        var targets: [ScheduleTarget] = try isVolume(volume, settings) ? [.volume(volume)] : []
        guard volume == name else { return targets }
        if settings.sets[name] != nil { targets.append(.set(name)) }
        // What a VM's disks keep, each of them says.
        guard targets.isEmpty, let machine = settings.machines[name] else { return targets }
        return machine.volumes.map { .volume($0) }
    }

    private static func suffix(of name: String, after prefix: String) -> String? {
        name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : nil
    }

    private func isVolume(_ name: String, _ settings: Settings) throws -> Bool {
        try settings.volumes[name] != nil || context.catalog.volume(named: name) != nil
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

    // MARK: one report

    private func report(
        _ target: ScheduleTarget, _ settings: Settings, trying trial: NamedPolicy?,
        from now: Timestamp, until end: Timestamp, _ sampleCount: Int
    ) throws -> SimulationReport {
        let (own, schedules, volumes) = parts(of: target, settings)
        let policy = trial ?? own
        let scope = RetentionScope(
            name: policy?.name ?? "none", policy: policy?.policy ?? RetentionPolicy(rules: []),
            nextSlot: VolumeRetention.nextSlot(of: schedules))
        let plans = try volumes.compactMap { try context.catalog.volume(named: $0) }
            .map { try plan($0, target, settings, trying: trial) }
        return SimulationReport(
            target: target.description, policy: policy?.name, schedules: schedules.map(\.name),
            from: now, until: end,
            // A set's snapshots are as many as those of one of its volumes.
            simulation: try PolicySimulation(
                scope, existing: plans.first.map { existing($0, scope.policy) } ?? [], from: now,
                until: end, sampleCount: sampleCount, proceed: { try context.end.check() }),
            pruned: plans.flatMap { plan in
                plan.plan.removed.map(\.id).filter(plan.members.contains)
            })
    }

    private func parts(
        of target: ScheduleTarget, _ settings: Settings
    ) -> (policy: NamedPolicy?, schedules: [Schedule], volumes: [String]) {
        switch target {
        case .volume(let name):
            let own = settings.volume(name)
            return (own.policy, own.schedules, [name])
        case .set(let name):
            let set = settings.sets[name]
            return (set?.policy, set?.schedules ?? [], set?.volumes ?? [])
        }
    }

    /// A volume's plan, and which of its snapshots the target's policy is about.
    private struct Plan {
        var plan: PrunePlan
        var members: Set<SnapshotID>
    }

    private func plan(
        _ volume: VolumeRow, _ target: ScheduleTarget, _ settings: Settings,
        trying trial: NamedPolicy?
    ) throws -> Plan {
        let retention = try VolumeRetention(
            context, settings, volume, trying: trial.map { (target, $0) })
        return Plan(plan: try retention.plan(), members: retention.members(of: target))
    }

    /// Those that the policy applies to.
    private func existing(_ plan: Plan, _ policy: RetentionPolicy) -> [RetentionSubject] {
        plan.plan.subjects.filter { subject in
            plan.members.contains(subject.id)
                && (subject.kind != .manual || policy.appliesToManual)
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

extension SettingsFailure {
    /// What is wrong with a policy that is tried out.
    ///
    /// - Parameter wording: of the hints that go into the message.
    package func problem(ofTrial wording: Wording) -> Problem {
        let reference: Advice = "it is written as [policies.NAME] in snapmgr.toml(5)"
        guard var only = errors.first, errors.count == 1 else {
            return Problem(
                .usage, errors.map { $0.text(wording) }.joined(separator: "\n"), hint: reference)
        }
        let hint = only.hint
        only.hint = nil
        return Problem(.usage, only.text(wording), hint: hint ?? reference)
    }
}
