package import Scheduler
package import SnapshotModel

/// Whether a schedule of a volume or set is served.
package struct ScheduleReading: Hashable, Sendable {
    package var target: ScheduleTarget
    package var name: String
    /// The last slot that was served; nil before the first.
    package var lastSlot: Timestamp?
    /// The first slot after now.
    package var nextSlot: Timestamp?
    package var standing: Standing
    /// How late a slot may be served, and from when on that is an alarm, in seconds.
    package var lateLimits: LateLimits

    package enum Standing: Hashable, Sendable {
        /// No tick has seen it yet.
        case unseen
        case served
        /// `first` is the oldest slot that waits, and `missed` counts those before the latest one.
        case late(first: Timestamp, missed: Int)
        /// The clock was set back: nothing is taken until then.
        case waiting(until: Timestamp)
    }

    package struct LateLimits: Hashable, Sendable {
        var warning: Int64
        var critical: Int64

        init(periodSeconds: Int64) {
            warning = max(MonitorLimits.lateSeconds, periodSeconds / 4)
            critical = max(2 * warning, 2 * periodSeconds)
        }
    }

    /// - Parameter marks: what the catalog remembers; nil when it has never seen the schedule.
    package init(
        _ target: ScheduleTarget, _ schedule: Schedule, _ marks: ScheduleMarks?, now: Timestamp
    ) {
        self.target = target
        name = schedule.name
        lastSlot = marks?.served.max()
        nextSlot = schedule.nextSlot(after: now)
        var periodStart = schedule.latestSlot(notAfter: now) ?? nextSlot
        standing = .unseen
        if let marks {
            switch schedule.due(served: marks.served, since: marks.since, at: now) {
            case .notDue: standing = .served
            case .clockWentBack(let reached, let next): standing = .waiting(until: next ?? reached)
            case .take(let slot, let missed, _):
                let passed = ([marks.since] + marks.served).filter { $0 <= now }.max()
                let first = passed.flatMap { schedule.nextSlot(after: $0) } ?? slot
                standing = .late(first: first, missed: missed)
                periodStart = first
            }
        }
        let periodEnd = periodStart.flatMap { schedule.nextSlot(after: $0) }
        let period = periodStart.flatMap { start in periodEnd.map { start.seconds(until: $0) } }
        lateLimits = LateLimits(periodSeconds: period ?? 0)
    }

    /// For how long the oldest slot that waits has been due, in seconds; 0 when none does.
    func lateSeconds(now: Timestamp) -> Int64 {
        guard case .late(let first, _) = standing else { return 0 }
        return max(0, first.seconds(until: now))
    }

    var missedCount: Int {
        guard case .late(_, let missed) = standing else { return 0 }
        return missed
    }
}

extension Timestamp {
    /// Whole seconds; negative when `other` is earlier.
    func seconds(until other: Timestamp) -> Int64 {
        other.secondsSinceEpoch - secondsSinceEpoch
    }
}
