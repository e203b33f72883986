internal import Catalog
package import SnapshotModel

/// One event of the log.
package struct EventSummary: Hashable, Sendable {
    package var id: Int64
    package var time: Timestamp
    package var level: String
    package var kind: String
    package var message: String
    package var volume: String?
    package var snapshot: SnapshotID?
    /// Who asked for what happened; nil when the version that logged it did not say.
    package var requestedBy: Requester?
}

extension EventSummary {
    init(_ row: EventRow) {
        id = row.id
        time = row.time
        level = row.level.rawValue
        kind = row.kind
        message = row.message
        volume = row.volume
        snapshot = row.snapshot
        requestedBy = EventDetails(text: row.details)?.requestedBy
    }
}

extension EventSummary: JSONConvertible {
    package var json: JSONValue {
        [
            "id": JSONValue(id), "time": JSONValue(time), "level": JSONValue(level),
            "kind": JSONValue(kind), "volume": JSONValue(volume),
            "snapshot_id": JSONValue(snapshot), "message": JSONValue(message),
            "requested_by": requestedBy?.json ?? .null,
        ]
    }
}

/// Reads the event log, and has it tell of what no use case does.
package struct EventService {
    let context: ManagerContext

    /// Logs that something was done, for whoever this manager does things.
    package func note(_ kind: EventKind, _ message: String) throws {
        try context.log(kind, message)
    }

    /// The last events, oldest first.
    ///
    /// - Parameter volume: of this volume alone, which may be gone.
    package func latest(_ limit: Int, volume: String? = nil) throws -> [EventSummary] {
        try context.catalog.events(volume: volume, limit: limit, order: .newestFirst).reversed()
            .map { EventSummary($0) }
    }

    /// The events after one, oldest first; nil is from the beginning.
    package func after(
        _ id: Int64?, volume: String? = nil, limit: Int
    ) throws -> [EventSummary] {
        try context.catalog.events(after: id, volume: volume, limit: limit)
            .map { EventSummary($0) }
    }

    /// - Throws: `notFound` when no volume has the name and no event tells of one that had.
    package func requireKnown(_ volume: String) throws {
        guard try context.catalog.volume(named: volume) == nil,
            try context.catalog.events(volume: volume, limit: 1).isEmpty
        else { return }
        throw context.noVolume(volume)
    }
}
