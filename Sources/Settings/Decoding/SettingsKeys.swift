/// The keys of one kind of table. What is not a case is an error in the file; and what is one must be
/// in the manual page and the example, which a test looks after.
protocol SettingsKey: RawRepresentable<String>, CaseIterable, Hashable {}

/// The kinds of tables that have names: `[volumes.NAME]`.
enum SectionKind: String, CaseIterable {
    case volumes, sets, schedules, policies, hooks, vm, webhook

    /// One of them, as messages name it.
    var noun: String {
        switch self {
        case .volumes: "volume"
        case .sets: "set"
        case .schedules: "schedule"
        case .policies: "policy"
        case .hooks: "hook"
        case .vm: "VM"
        case .webhook: "webhook"
        }
    }
}

/// Keys outside of any table.
enum TopKey: String, SettingsKey {
    case timeZone = "time-zone"
    case policy
    case safetyPolicy = "safety-policy"
    case freeSpaceFloor = "free-space-floor"
    case belowFloor = "below-floor"
    case scrub
    case writeBack = "write-back"
    case events
}

enum VolumeKey: String, SettingsKey {
    case schedules, policy
    case safetyPolicy = "safety-policy"
    case hooks
    case freeSpaceFloor = "free-space-floor"
    case belowFloor = "below-floor"
    case scrub
    case writeBack = "write-back"
    case require
}

enum SetKey: String, SettingsKey {
    case volumes, schedules, policy, hooks
}

enum ScheduleKey: String, SettingsKey {
    case every, calendar
    case timeZone = "time-zone"
    case ifUnchanged = "if-unchanged"
    case tags
}

enum PolicyKey: String, SettingsKey {
    case last, within
    case minutely, hourly, daily, weekly, monthly, quarterly, yearly
    case withinMinutely = "within-minutely"
    case withinHourly = "within-hourly"
    case withinDaily = "within-daily"
    case withinWeekly = "within-weekly"
    case withinMonthly = "within-monthly"
    case withinQuarterly = "within-quarterly"
    case withinYearly = "within-yearly"
    case every, grid, tags, names
    case notNames = "not-names"
    case notMirrored = "not-mirrored"
    case prefer
    case timeZone = "time-zone"
    case includeManual = "include-manual"
}

enum HookKey: String, SettingsKey {
    case prepare
    case beforeFreeze = "before-freeze"
    case afterThaw = "after-thaw"
    case afterSnapshot = "after-snapshot"
    case beforeRevert = "before-revert"
    case afterRevert = "after-revert"
    case onFailure = "on-failure"
    case timeout, fatal, consistency, environment, shell
    case secretFile = "secret-file"
    case caFile = "ca-file"
    case insecure
}

enum MachineKey: String, SettingsKey {
    case volumes, qmp, agent, state, require, start
    case cloneStart = "clone-start"
    case freezeTimeout = "freeze-timeout"
    case stateTimeout = "state-timeout"
    case startTimeout = "start-timeout"
}

enum WebhookKey: String, SettingsKey {
    case url
    case secretFile = "secret-file"
    case events, volumes
    case caFile = "ca-file"
    case insecure, timeout
    case giveUp = "give-up"
}

/// Every key there is, for the tests of the manual page and the examples.
package enum SettingsReference {
    /// The tables' names, `""` for none, with their keys.
    package static let keys: [(table: String, keys: [String])] = [
        ("", TopKey.allCases.map(\.rawValue)),
        (SectionKind.volumes.rawValue, VolumeKey.allCases.map(\.rawValue)),
        (SectionKind.sets.rawValue, SetKey.allCases.map(\.rawValue)),
        (SectionKind.schedules.rawValue, ScheduleKey.allCases.map(\.rawValue)),
        (SectionKind.policies.rawValue, PolicyKey.allCases.map(\.rawValue)),
        (SectionKind.hooks.rawValue, HookKey.allCases.map(\.rawValue)),
        (SectionKind.vm.rawValue, MachineKey.allCases.map(\.rawValue)),
        (SectionKind.webhook.rawValue, WebhookKey.allCases.map(\.rawValue)),
    ]
}
