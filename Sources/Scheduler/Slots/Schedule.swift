package import SnapshotModel

/// A named source of snapshots: when they are taken, and what they carry.
package struct Schedule: Hashable, Sendable {
    package var name: String
    package var timetable: Timetable
    /// Whose clocks the timetable is about.
    package var zone: TimeZoneRules
    package var ifUnchanged: IfUnchanged
    /// Of its snapshots.
    package var tags: [String]

    /// What to do in a slot when nothing was written since the snapshot before.
    package enum IfUnchanged: String, Hashable, Sendable, CaseIterable {
        case take
        case skip
    }

    package init(
        name: String, timetable: Timetable, zone: TimeZoneRules, ifUnchanged: IfUnchanged = .take,
        tags: [String] = []
    ) {
        self.name = name
        self.timetable = timetable
        self.zone = zone
        self.ifUnchanged = ifUnchanged
        self.tags = tags
    }

    /// The last slot at or before a moment; nil when there is none since 1970.
    package func latestSlot(notAfter moment: Timestamp) -> Timestamp? {
        timetable.latestSlot(notAfter: moment, in: zone)
    }

    /// The first slot after a moment; nil when there is none before the year 2501.
    package func nextSlot(after moment: Timestamp) -> Timestamp? {
        timetable.nextSlot(after: moment, in: zone)
    }
}
