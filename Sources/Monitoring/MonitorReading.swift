package import Scheduler
package import SnapshotModel
package import VolumeAccess

/// Everything that monitoring looks at, at one moment. Plain values: what they mean is judged by
/// ``MonitorJudge``, and written down by ``MonitorMetrics``.
package struct MonitorReading: Hashable, Sendable {
    package var now: Timestamp
    /// By name.
    package var volumes: [VolumeReading]
    /// Sets' first, then volumes', each by name.
    package var schedules: [ScheduleReading]
    /// The last set of each name that the settings have.
    package var sets: [SetCounts] = []
    /// Failures of snapshots of several volumes together since the last set was taken.
    package var setFailures: [EventCounts] = []
    /// Events that mean a failure, by kind and volume.
    package var failures: [EventCounts]
    /// By which moment snapshots grow old; nil when that was not looked at.
    package var clock: ClockJudgement?
    /// The mirrors whose volumes are not there, or are others: each one's name and that of its volume.
    package var orphans: [OrphanedMirror] = []
    /// By name.
    package var webhooks: [WebhookReading] = []
    /// Why some mirrors' records cannot be read.
    package var unreadableMirrors: [Problem] = []
    /// What could not be looked at.
    package var problems: [Problem]
    /// Whether all volumes were asked for.
    package var isWhole: Bool

    package init(
        now: Timestamp, volumes: [VolumeReading] = [], schedules: [ScheduleReading] = [],
        failures: [EventCounts] = [], problems: [Problem] = [], isWhole: Bool = true
    ) {
        self.now = now
        self.volumes = volumes
        self.schedules = schedules
        self.failures = failures
        self.problems = problems
        self.isWhole = isWhole
    }
}

/// A receiver of events.
package struct WebhookReading: Hashable, Sendable {
    package var name: String
    /// Failures since the last delivery.
    package var failureCount: Int
    /// Events that were given up and not sent again.
    package var givenUpCount: Int
    /// Nil while the daemon has not begun with it.
    package var waitingCount: Int?

    package init(name: String, failureCount: Int, givenUpCount: Int, waitingCount: Int?) {
        self.name = name
        self.failureCount = failureCount
        self.givenUpCount = givenUpCount
        self.waitingCount = waitingCount
    }
}

/// A mirror that has nothing to send from.
package struct OrphanedMirror: Hashable, Sendable {
    package var name: String
    package var volume: String

    package init(name: String, volume: String) {
        self.name = name
        self.volume = volume
    }
}

/// One mirror of a volume.
package struct MirrorReading: Hashable, Sendable {
    package var name: String
    package var condition: MirrorCondition
    /// The last failure; nil when the last run did not fail.
    package var failure: String?
    /// How long the oldest snapshot has been there that the target lacks; 0 when it has all.
    package var lagSeconds: Int
    /// What the target lacks; nil when nothing was sent yet.
    package var lagBytes: Int?
    /// Failures since the last success.
    package var failureCount: Int
    package var lastSuccessAt: Timestamp?

    package init(
        name: String, condition: MirrorCondition, lagSeconds: Int, lagBytes: Int?,
        failureCount: Int, lastSuccessAt: Timestamp?
    ) {
        self.name = name
        self.condition = condition
        self.lagSeconds = lagSeconds
        self.lagBytes = lagBytes
        self.failureCount = failureCount
        self.lastSuccessAt = lastSuccessAt
    }
}

/// One volume.
package struct VolumeReading: Hashable, Sendable {
    package var name: String
    package var condition: VolumeCondition
    package var volumeBytes: Int
    package var snapshotCount: Int
    /// What the store occupies; nil when it cannot be read.
    package var storeBytes: Int?
    /// Whether somebody has it open, or its device is there.
    package var isInUse: Bool
    /// Where the store lies; nil when it cannot be asked.
    package var freeBytes: Int?
    /// At the pace of the last week; nil when there is no pace.
    package var daysToFull: Double?
    package var newest: Timestamp?
    package var merge: MergeProgress?
    package var warnings: [String] = []
    /// Why its state is `missing`: the store or the origin.
    package var missing: String?
    package var counts: [SnapshotCounts] = []
    /// Whether the store has snapshots that lost exceptions; the catalog may not know yet.
    package var hasBrokenChain = false
    /// Of the filesystem that the store is on; nil when it, or the settings, cannot be asked.
    package var filesystemBytes: Int?
    package var floorBytes: Int?
    /// Whether the server says that the merge does not move although it should.
    package var isMergeStill = false
    /// Whether the merge goes on by itself while the volume is up.
    package var mergesByItself = false
    /// When the revert began whose merge is to be done.
    package var mergeBegunAt: Timestamp?
    package var holds: [HoldRow] = []
    /// Snapshots that a prune should have deleted ``MonitorLimits/pruneSeconds`` ago.
    package var overdueCount = 0
    /// When a prune last deleted something.
    package var lastPruneAt: Timestamp?
    /// When a scrub last ended.
    package var scrubbedAt: Timestamp?
    /// The places that scrubs found damaged.
    package var scrubDamage = 0
    /// The last failure of a snapshot or hook since the last success.
    package var failure: EventCounts?
    package var mirrors: [MirrorReading] = []
    /// How often the volume that is written to has changed among those that are mirrored to one another; nil of a
    /// volume that has no mirrors and is nobody's copy.
    package var generation: Int?
    /// What is told of other volumes that are written to as well; they are no part of the warnings.
    package var splits: [String] = []

    package init(
        name: String, condition: VolumeCondition, volumeBytes: Int, snapshotCount: Int,
        isInUse: Bool
    ) {
        self.name = name
        self.condition = condition
        self.volumeBytes = volumeBytes
        self.snapshotCount = snapshotCount
        self.isInUse = isInUse
    }

    var brokenCount: Int {
        counts.filter { $0.state == .broken }.reduce(0) { $0 + $1.count }
    }
}
