package import SnapshotModel

/// Something that happened, for the log.
package struct Event: Hashable, Sendable {
    package enum Level: String, Sendable, CaseIterable {
        case info
        case warning
        case error
    }

    package var level: Level
    /// A short word for programs, as in `snapshot_taken`.
    package var kind: String
    /// A sentence for people.
    package var message: String
    /// The name of the volume; it may be gone by now.
    package var volume: String?
    package var snapshot: SnapshotID?
    /// A JSON document.
    package var details: String?

    package init(
        _ level: Level, kind: String, message: String, volume: String? = nil,
        snapshot: SnapshotID? = nil, details: String? = nil
    ) {
        self.level = level
        self.kind = kind
        self.message = message
        self.volume = volume
        self.snapshot = snapshot
        self.details = details
    }
}

/// An event in the log. The event's fields can be read as if they were the row's.
@dynamicMemberLookup
package struct EventRow: Hashable, Sendable {
    /// Ascends with every event.
    package var id: Int64
    package var time: Timestamp
    package var event: Event

    package subscript<Value>(dynamicMember field: KeyPath<Event, Value>) -> Value {
        event[keyPath: field]
    }
}
