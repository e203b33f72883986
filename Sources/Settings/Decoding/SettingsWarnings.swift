internal import Scheduler
internal import SnapshotModel

/// What is right by the letter, and hardly meant.
extension SettingsBuilder {
    /// A schedule that is due more often than this and is never pruned fills a store in no time.
    private static let shortSpan = TimeSpan(seconds: 5 * 60)

    func warn() {
        if let zoneProblem {
            diagnostics.warn(
                "the system's time zone cannot be used: \(zoneProblem.message)", at: nil,
                hint: zoneProblem.hint)
        }
        for kind in [SectionKind.schedules, .policies, .hooks] {
            for (name, table) in tables.tables(kind) where !isUsed(kind, name) {
                diagnostics.warn(
                    "nothing uses the \(kind.noun) \(Quote.text(name))", at: table.position)
            }
        }
        for (name, table) in tables.tables(.schedules) {
            let start = Timestamp(clampingSeconds: 0)
            guard let schedule = settings.schedules[name], schedule.nextSlot(after: start) == nil
            else { continue }
            diagnostics.warn(
                "the schedule \(Quote.text(name)) is never due", at: table.position,
                hint: "'systemd-analyze calendar' shows what an expression means")
        }
        for (name, table) in tables.tables(.policies) {
            guard let policy = settings.policies[name], policy.isEmpty else { continue }
            diagnostics.warn(
                "the policy \(Quote.text(name)) has no rule that keeps anything, and so keeps "
                    + "everything", at: table.position)
        }
        for (name, table) in tables.tables(.volumes) {
            guard let volume = settings.volumes[name] else { continue }
            warnOfEndlessKeeping(volume.schedules, volume.policy, table)
            warnOfDoubles(volume, table)
        }
        for (name, table) in tables.tables(.sets) {
            guard let set = settings.sets[name] else { continue }
            warnOfEndlessKeeping(set.schedules, set.policy, table)
        }
    }

    private func warnOfEndlessKeeping(
        _ schedules: [Schedule], _ policy: NamedPolicy?, _ table: NamedTable
    ) {
        guard !schedules.isEmpty, policy?.policy.keepsEverything ?? true else { return }
        let name = Quote.path(table.path)
        for schedule in schedules {
            guard case .every(let span) = schedule.timetable, span < Self.shortSpan else {
                continue
            }
            diagnostics.warn(
                "\(name): a snapshot every \(span) by \(Quote.text(schedule.name)), all of which "
                    + "are kept for ever", at: table.position,
                hint: "add a policy with limits, or a longer every")
            return
        }
        // With a policy that has no limits somebody has said so.
        guard policy == nil else { return }
        diagnostics.warn(
            "\(name) has schedules and no policy: all its snapshots are kept for ever",
            at: table.position, hint: "add policy = \"NAME\"")
    }

    /// One slot would take two snapshots of the volume.
    private func warnOfDoubles(_ volume: VolumeSettings, _ table: NamedTable) {
        var sources: [String: String] = [:]
        for schedule in volume.schedules { sources[schedule.name] = Quote.path(table.path) }
        for set in settings.sets(of: volume.name) {
            let source = Quote.path([SectionKind.sets.rawValue, set.name])
            for schedule in set.schedules {
                guard let other = sources.updateValue(source, forKey: schedule.name) else {
                    continue
                }
                diagnostics.warn(
                    "\(Quote.path(table.path)) gets two snapshots by \(Quote.text(schedule.name)), "
                        + "of \(other) and of \(source)", at: table.position)
            }
        }
    }
}

extension RetentionPolicy {
    /// Whether nothing ever goes by it.
    fileprivate var keepsEverything: Bool {
        isEmpty
            || rules.contains { rule in
                if case .last(let rule) = rule {
                    rule.count == .all && rule.pattern == nil
                } else {
                    false
                }
            }
    }
}
