/// How many of a volume's snapshots are alike.
package struct SnapshotCounts: Hashable, Sendable {
    /// The volume's name.
    package var volume: String
    package var kind: SnapshotKind
    package var state: SnapshotState
    package var count: Int

    package init(volume: String, kind: SnapshotKind, state: SnapshotState, count: Int) {
        self.volume = volume
        self.kind = kind
        self.state = state
        self.count = count
    }
}

/// How often the log has one kind of event about one volume, and the last one.
package struct EventCounts: Hashable, Sendable {
    package var kind: String
    /// Nil is those that are about no volume, or about several.
    package var volume: String?
    package var count: Int
    /// The last one's id.
    package var lastID: Int64
    package var lastTime: Timestamp
    package var lastMessage: String

    package init(
        kind: String, volume: String? = nil, count: Int, lastID: Int64, lastTime: Timestamp,
        lastMessage: String
    ) {
        self.kind = kind
        self.volume = volume
        self.count = count
        self.lastID = lastID
        self.lastTime = lastTime
        self.lastMessage = lastMessage
    }
}

/// The last set of one name.
package struct SetCounts: Hashable, Sendable {
    package var name: String
    package var createdAt: Timestamp
    /// For how long writes waited; nil when it was not measured.
    package var heldNanoseconds: Int64?

    package init(name: String, createdAt: Timestamp, heldNanoseconds: Int64? = nil) {
        self.name = name
        self.createdAt = createdAt
        self.heldNanoseconds = heldNanoseconds
    }
}
