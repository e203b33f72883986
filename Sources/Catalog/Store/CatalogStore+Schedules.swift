import GRDB
import Glibc
package import SnapshotModel

extension ScheduleTarget {
    fileprivate init?(_ text: String) {
        guard let colon = text.firstIndex(of: ":") else { return nil }
        let name = String(text[text.index(after: colon)...])
        switch text[..<colon] {
        case "volume": self = .volume(name)
        case "set": self = .set(name)
        default: return nil
        }
    }
}

extension CatalogStore {
    /// More than a clock that was wrong by days makes ambiguous.
    package static let servedSlotsMaximum = 32

    /// What is known of all schedules.
    package func scheduleMarks() throws -> [ScheduleKey: ScheduleMarks] {
        try read("reading the schedules") { try Self.scheduleMarks($0) }
    }

    /// As ``scheduleMarks()``, and whether any volume has one of the drivers, of a catalog that nobody
    /// has open, without a lock and without a file beside it: the file alone is the whole catalog
    /// then. Nil when somebody has it open, or had it and died. Who opens it meanwhile may make this
    /// fail, or show what was true before.
    package static func peek(
        _ path: String, drivers: [DriverName]
    ) throws -> (marks: [ScheduleKey: ScheduleMarks], hasDrivers: Bool)? {
        guard try !CatalogFile.hasLog(path) else { return nil }
        try CatalogFile.require(path)
        let queue = try CatalogFile.openImmutable(path)
        return try queue.read { database in
            try SchemaCheck.requirePlainTables(database, path)
            let found = try drivers.contains { driver in
                try Int.fetchOne(
                    database, sql: "SELECT 1 FROM volume WHERE driver = ? LIMIT 1",
                    arguments: [driver.rawValue]) != nil
            }
            return (try scheduleMarks(database), found)
        }
    }

    private static func scheduleMarks(
        _ database: Database
    ) throws -> [ScheduleKey: ScheduleMarks] {
        var marks: [ScheduleKey: ScheduleMarks] = [:]
        let rows = try Row.map(
            database,
            sql: """
                SELECT b.target, b.schedule, b.since, s.slot
                FROM schedule_beginning b LEFT JOIN served_slot s USING (target, schedule)
                """
        ) { reader in
            (
                target: try reader.value(String.self), schedule: try reader.value(String.self),
                since: try reader.timestamp(), slot: try reader.optionalTimestamp()
            )
        }
        for row in rows {
            guard let target = ScheduleTarget(row.target) else {
                throw CatalogError.corrupt("the catalog has a schedule of `\(row.target)`")
            }
            let key = ScheduleKey(target: target, schedule: row.schedule)
            marks[key, default: ScheduleMarks(since: row.since)].served +=
                row.slot.map { [$0] } ?? []
        }
        return marks
    }

    /// Remembers when schedules were first seen; those that are known keep their beginning.
    package func beginSchedules(_ keys: [ScheduleKey]) throws {
        try write("beginning schedules") { database in
            for key in keys { try Self.begin(database, key, since: now()) }
        }
    }

    /// Records that a slot needs nothing more. A scheduled snapshot records its own when it is
    /// committed.
    package func noteServed(_ slot: Timestamp, of key: ScheduleKey) throws {
        try write("recording a slot of schedule \(key.schedule)") {
            try Self.note($0, slot, of: key)
        }
    }

    static func noteSlot(
        _ database: Database, of manifest: SnapshotManifest, volume: String
    ) throws {
        guard let schedule = manifest.schedule, let slot = manifest.slot else { return }
        let target = manifest.setName.map(ScheduleTarget.set) ?? .volume(volume)
        let key = ScheduleKey(target: target, schedule: schedule)
        // A rebuilt catalog has not seen the schedule begin.
        try begin(database, key, since: slot)
        try note(database, slot, of: key)
    }

    private static func begin(
        _ database: Database, _ key: ScheduleKey, since: Timestamp
    ) throws {
        try database.execute(
            sql: """
                INSERT INTO schedule_beginning (target, schedule, since) VALUES (?, ?, ?)
                ON CONFLICT DO NOTHING
                """,
            arguments: [key.target.description, key.schedule, since.stored])
    }

    private static func note(
        _ database: Database, _ slot: Timestamp, of key: ScheduleKey
    ) throws {
        let target = key.target.description
        try database.execute(
            sql: """
                INSERT INTO served_slot (target, schedule, slot) VALUES (?, ?, ?)
                ON CONFLICT DO NOTHING
                """,
            arguments: [target, key.schedule, slot.stored])
        try database.execute(
            sql: """
                DELETE FROM served_slot WHERE target = ?1 AND schedule = ?2 AND slot NOT IN (
                    SELECT slot FROM served_slot WHERE target = ?1 AND schedule = ?2
                    ORDER BY slot DESC LIMIT ?3)
                """,
            arguments: [target, key.schedule, servedSlotsMaximum])
    }
}
