package import Scheduler
package import SnapshotModel

/// What the settings files say, checked, with defaults filled in and names resolved.
package struct Settings: Hashable, Sendable {
    /// The files that were read, in that order; none when there are none.
    package var files: [String] = []
    package var defaults: SettingsDefaults
    /// Those that have a table; ask ``volume(_:)`` for any other.
    package var volumes: [String: VolumeSettings] = [:]
    package var sets: [String: SetSettings] = [:]
    package var machines: [String: MachineSettings] = [:]
    package var schedules: [String: Schedule] = [:]
    package var policies: [String: RetentionPolicy] = [:]
    package var hooks: [String: Hook] = [:]
    package var webhooks: [String: Webhook] = [:]
    /// Nothing that stops anything.
    package var warnings: [Diagnostic] = []
    /// Everything above, for `config show`.
    package var effectiveValues: [EffectiveValue] = []

    package init(defaults: SettingsDefaults) { self.defaults = defaults }

    /// A volume's settings: the defaults when it has no table.
    package func volume(_ name: String) -> VolumeSettings {
        volumes[name]
            ?? VolumeSettings(
                name: name, schedules: [], policy: defaults.policy,
                safetyPolicy: defaults.safetyPolicy, hooks: [],
                freeSpaceFloor: defaults.freeSpaceFloor, belowFloor: defaults.belowFloor,
                writeBack: defaults.writeBack, scrub: defaults.scrub)
    }

    /// Whether the data of any volume is to be read from time to time.
    package var hasScrubs: Bool {
        defaults.scrub != .off || volumes.values.contains { $0.scrub != .off }
    }

    /// The VMs that have any of these volumes, by name. A volume is in one of them at most.
    package func machines(using volumes: some Collection<String>) -> [MachineSettings] {
        machines.values.filter { !$0.volumes.allSatisfy { !volumes.contains($0) } }
            .sorted { $0.name < $1.name }
    }

    /// The sets that a volume is in, by name.
    package func sets(of volume: String) -> [SetSettings] {
        sets.values.filter { $0.volumes.contains(volume) }.sorted { $0.name < $1.name }
    }
}

/// What applies where nothing else is said.
package struct SettingsDefaults: Hashable, Sendable {
    package var timeZone: TimeZoneRules
    /// Nil keeps everything.
    package var policy: NamedPolicy?
    package var safetyPolicy: NamedPolicy
    package var freeSpaceFloor: FreeSpaceFloor
    package var belowFloor: BelowFloor
    package var writeBack = WriteBack.off
    package var scrub = ScrubInterval.off
    /// How old events grow.
    package var events = SettingsDefaults.standardEvents

    /// As it would stand in a file: `2y`.
    package static let standardEvents = CalendarSpan(months: 24)

    package init(
        timeZone: TimeZoneRules = .utc, policy: NamedPolicy? = nil,
        safetyPolicy: NamedPolicy = .builtInSafety, freeSpaceFloor: FreeSpaceFloor = .standard,
        belowFloor: BelowFloor = .refuse
    ) {
        self.belowFloor = belowFloor
        self.timeZone = timeZone
        self.policy = policy
        self.safetyPolicy = safetyPolicy
        self.freeSpaceFloor = freeSpaceFloor
    }
}

/// A retention policy and what it is called.
package struct NamedPolicy: Hashable, Sendable {
    package var name: String
    package var policy: RetentionPolicy

    package init(name: String, policy: RetentionPolicy) {
        self.name = name
        self.policy = policy
    }

    /// Of safety snapshots, unless the settings have another: the last two, and those of a week.
    package static let builtInSafety = NamedPolicy(
        name: "built-in",
        policy: RetentionPolicy(rules: [.last(.atMost(2)), .within(CalendarSpan(days: 7))]))
    /// The same as it would stand in a file.
    package static let builtInSafetyText = "last = 2 and within = \"7d\""
}

package struct VolumeSettings: Hashable, Sendable {
    package var name: String
    package var schedules: [Schedule]
    /// Nil keeps everything.
    package var policy: NamedPolicy?
    /// Of the snapshots that reverts take.
    package var safetyPolicy: NamedPolicy
    package var hooks: [Hook]
    package var freeSpaceFloor: FreeSpaceFloor
    /// What a prune and a schedule do while less is free.
    package var belowFloor: BelowFloor
    /// How its server answers first writes, where it is not told otherwise.
    package var writeBack: WriteBack
    /// How often its snapshots are read and compared with what was sealed.
    package var scrub: ScrubInterval
    /// What its snapshots must be consistent with, or are not taken: `crash`, or `app`, the programs that write to it.
    package var required = Consistency.crash

    package init(
        name: String, schedules: [Schedule], policy: NamedPolicy?, safetyPolicy: NamedPolicy,
        hooks: [Hook], freeSpaceFloor: FreeSpaceFloor, belowFloor: BelowFloor = .refuse,
        writeBack: WriteBack = .off, scrub: ScrubInterval = .off,
        required: Consistency = .crash
    ) {
        self.required = required
        self.scrub = scrub
        self.belowFloor = belowFloor
        self.writeBack = writeBack
        self.name = name
        self.schedules = schedules
        self.policy = policy
        self.safetyPolicy = safetyPolicy
        self.hooks = hooks
        self.freeSpaceFloor = freeSpaceFloor
    }
}

/// Volumes that are snapshotted at one instant.
package struct SetSettings: Hashable, Sendable {
    package var name: String
    /// At least one.
    package var volumes: [String]
    package var schedules: [Schedule]
    /// Of the snapshots that these schedules take; nil keeps everything.
    package var policy: NamedPolicy?
    package var hooks: [Hook]

    package init(
        name: String, volumes: [String], schedules: [Schedule], policy: NamedPolicy?, hooks: [Hook]
    ) {
        self.name = name
        self.volumes = volumes
        self.schedules = schedules
        self.policy = policy
        self.hooks = hooks
    }
}
