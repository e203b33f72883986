/// What the catalog remembers of a schedule of a volume or of a set.
package struct ScheduleMarks: Hashable, Sendable {
    /// When the schedule was first seen there.
    package var since: Timestamp
    /// The last slots that were served, as many as the catalog keeps.
    package var served: [Timestamp]

    package init(since: Timestamp, served: [Timestamp] = []) {
        self.since = since
        self.served = served
    }
}

/// A schedule, and whose it is.
package struct ScheduleKey: Hashable, Sendable {
    package var target: ScheduleTarget
    package var schedule: String

    package init(target: ScheduleTarget, schedule: String) {
        self.target = target
        self.schedule = schedule
    }
}

/// Whose snapshots a schedule takes.
package enum ScheduleTarget: Hashable, Sendable {
    case volume(String)
    case set(String)
}

extension ScheduleTarget: CustomStringConvertible {
    package var description: String {
        switch self {
        case .volume(let name): "volume:\(name)"
        case .set(let name): "set:\(name)"
        }
    }
}
