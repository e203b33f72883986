import GRDB
package import SnapshotModel

extension CatalogStore {
    /// Which end of the log to read from.
    package enum EventOrder: Sendable {
        case oldestFirst
        case newestFirst
    }

    /// Appends to the log, with the clock's time.
    ///
    /// - Throws: `constraint` when the details are not JSON.
    package func record(_ event: Event) throws {
        try write("recording an event") { database in
            try database.execute(
                sql: """
                    INSERT INTO event (time, level, volume, snapshot_id, kind, message, details)
                    VALUES (?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    now().stored, event.level.rawValue, event.volume,
                    event.snapshot?.rawValue, event.kind, event.message, event.details,
                ])
            try Self.trimEvents(database, after: database.lastInsertedRowID)
        }
    }

    /// How many events are kept, about: some years of a snapshot every quarter of an hour.
    static let eventsMaximum: Int64 = 200_000
    /// After how many new ones the oldest go.
    private static let eventsBetweenTrims: Int64 = 1000

    /// Forgets the events of before a moment, but for the newest. One look finds out whether there are any.
    ///
    /// - Parameter count: how many stay, however old they are: a clock that is wrong must not empty the log.
    package func forgetEvents(before moment: Timestamp, keeping count: Int) throws {
        let condition = """
            time < ? AND id <= (SELECT id FROM event ORDER BY id DESC LIMIT 1 OFFSET ?)
            """
        let arguments: StatementArguments = [moment.stored, max(0, count)]
        let isAny = try read("reading the event log") {
            try Bool.fetchOne(
                $0, sql: "SELECT EXISTS (SELECT 1 FROM event WHERE \(condition))",
                arguments: arguments) ?? false
        }
        guard isAny else { return }
        try write("forgetting old events") { database in
            try database.execute(
                sql: "DELETE FROM event WHERE \(condition)", arguments: arguments)
        }
    }

    /// By number and not by age: a clock that is wrong must not empty the log.
    private static func trimEvents(_ database: Database, after id: Int64) throws {
        guard id % eventsBetweenTrims == 0 else { return }
        try database.execute(
            sql: """
                DELETE FROM event WHERE id <= (
                    SELECT id FROM event ORDER BY id DESC LIMIT 1 OFFSET ?)
                """,
            arguments: [eventsMaximum])
    }

    /// Up to `limit` events that came after the event `id`; nil is from the beginning.
    ///
    /// - Parameter volume: of this volume alone.
    package func events(
        after id: Int64? = nil, volume: String? = nil, limit: Int, order: EventOrder = .oldestFirst
    ) throws -> [EventRow] {
        try read("reading the event log") {
            try Row.map(
                $0,
                sql: """
                    SELECT id, time, level, kind, message, volume, snapshot_id, details FROM event
                    WHERE id > ? AND (volume = ? OR ? IS NULL) ORDER BY id \(order == .newestFirst ? "DESC" : "ASC") LIMIT ?
                    """,
                arguments: [id ?? 0, volume, volume, max(0, limit)]
            ) { reader in
                EventRow(
                    id: try reader.value(), time: try reader.timestamp(),
                    event: Event(
                        try reader.raw(), kind: try reader.value(), message: try reader.value(),
                        volume: try reader.optional(), snapshot: try reader.optionalRaw(),
                        details: try reader.optional()))
            }
        }
    }
}
