internal import Catalog
internal import Scheduler
internal import SnapshotModel

/// Everything that monitoring looks at, at one moment. Plain values: what they mean is judged by
/// ``MonitorJudge``, and written down by ``MonitorMetrics``.
struct MonitorReading: Hashable {
    var now: Timestamp
    /// By name.
    var volumes: [VolumeReading] = []
    /// Sets' first, then volumes', each by name.
    var schedules: [ScheduleReading] = []
    /// The last set of each name that the settings have.
    var sets: [SetTally] = []
    /// Failures of snapshots of several volumes together since the last set was taken.
    var setFailures: [EventTally] = []
    /// Events that mean a failure, by kind and volume.
    var failures: [EventTally] = []
    /// By which moment snapshots grow old; nil when that was not looked at.
    var clock: ClockJudgement?
    /// What could not be looked at.
    var problems: [Problem] = []
    /// Whether all volumes were asked for.
    var isWhole = true
}

/// One volume.
struct VolumeReading: Hashable {
    var health: VolumeHealth
    /// Why its state is `missing`: the store or the origin.
    var missing: String?
    var tallies: [SnapshotTally] = []
    /// Whether the store has snapshots that lost exceptions; the catalog may not know yet.
    var hasBrokenChain = false
    /// Of the filesystem that the store is on; nil when it, or the settings, cannot be asked.
    var filesystemBytes: Int?
    var floorBytes: Int?
    /// Whether the server says that the merge does not move although it should.
    var isMergeStill = false
    /// Whether the merge goes on by itself while the volume is up.
    var mergesByItself = false
    /// When the revert began whose merge is to be done.
    var mergeBegunAt: Timestamp?
    var holds: [HoldRow] = []
    /// Snapshots that a prune should have deleted ``MonitorLimits/pruneSeconds`` ago.
    var overdueCount = 0
    /// When a prune last deleted something.
    var lastPruneAt: Timestamp?
    /// The last failure of a snapshot or hook since the last success.
    var failure: EventTally?

    var name: String { health.volume.record.name }

    var brokenCount: Int {
        tallies.filter { $0.state == .broken }.reduce(0) { $0 + $1.count }
    }
}
