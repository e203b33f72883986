import Scheduler
import SnapshotModel
import Testing

@testable import Monitoring
import VolumeAccess

/// Readings as monitoring would make them, at 2026-11-22T12:00:00Z.
enum MonitoringSample {
    static let now = Timestamp(stored: 1_795_348_800_000_000_000)

    static func moment(_ text: String) throws -> Timestamp { try #require(Timestamp(text)) }

    static func ago(_ seconds: Int64) -> Timestamp { now.advanced(bySeconds: -seconds) }

    /// A volume that is well.
    static func volume(_ name: String = "data") -> VolumeReading {
        var reading = VolumeReading(
            name: name, condition: .served, volumeBytes: 1 << 20, snapshotCount: 3, isInUse: true)
        reading.storeBytes = 8192
        reading.freeBytes = 1 << 30
        reading.daysToFull = 30
        reading.newest = ago(60)
        reading.floorBytes = 1 << 20
        reading.filesystemBytes = 1 << 31
        reading.counts = [
            SnapshotCounts(volume: name, kind: .manual, state: .frozen, count: 2),
            SnapshotCounts(volume: name, kind: .scheduled, state: .active, count: 1),
        ]
        return reading
    }

    static func merge(_ state: MergeState, rate: Int = 0) -> MergeProgress {
        MergeProgress(
            revertID: RevertID(rawValue: 1), targetID: SnapshotID(rawValue: 2), safetyID: nil,
            mergedBytes: 1024, planBytes: 4096, preservedBytes: 0, rate: rate, state: state)
    }

    static func hold(heldAt: Timestamp, until: Timestamp? = nil) -> HoldRow {
        let id = SnapshotID(rawValue: 7)
        return HoldRow(
            snapshot: id, owner: "eve", reason: "audit", heldAt: heldAt, until: until,
            isExpired: until.map { $0 <= now } ?? false)
    }

    static func event(_ kind: EventKind, volume: String?, _ message: String) -> EventCounts {
        EventCounts(
            kind: kind.rawValue, volume: volume, count: 2, lastID: 9, lastTime: ago(120),
            lastMessage: message)
    }

    static func schedule(
        _ timetable: Timetable, served: [Timestamp], since: Timestamp? = nil, now: Timestamp = now
    ) -> ScheduleReading {
        let schedule = Schedule(name: "auto", timetable: timetable, zone: .utc)
        return ScheduleReading(
            .volume("data"), schedule,
            ScheduleMarks(since: since ?? ago(30 * 86_400), served: served), now: now)
    }
}
