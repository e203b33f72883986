import GRDB
import SnapshotModel

extension CatalogStore {
    /// Which end of the log to read from.
    package enum EventOrder: Sendable {
        case oldestFirst
        case newestFirst
    }

    /// Appends to the log, with the clock's time.
    ///
    /// - Throws: `constraint` when the details are no JSON.
    package func record(_ event: Event) throws {
        try write("recording an event") {
            try $0.execute(
                sql: """
                    INSERT INTO event (time, level, volume, snapshot_id, kind, message, details)
                    VALUES (?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    now().nanoseconds, event.level.rawValue, event.volume,
                    event.snapshot?.rawValue, event.kind, event.message, event.details,
                ])
        }
    }

    /// Up to `limit` events that came after the event `id`; nil is from the beginning.
    package func events(
        after id: Int64? = nil, limit: Int, order: EventOrder = .oldestFirst
    ) throws -> [EventRow] {
        try read("reading the event log") {
            try Row.map(
                $0,
                sql: """
                    SELECT id, time, level, kind, message, volume, snapshot_id, details FROM event
                    WHERE id > ? ORDER BY id \(order == .newestFirst ? "DESC" : "ASC") LIMIT ?
                    """,
                arguments: [id ?? 0, max(0, limit)]
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
