/// Where a snapshot comes from that a stream has brought: what ties it to the one that was sent.
package struct SnapshotSource: Hashable, Sendable, Codable {
    /// The UUID of the volume that sent it.
    package var volume: String
    /// The snapshot's own, which it keeps wherever it is sent to.
    package var snapshot: String
    /// What it had there.
    package var id: SnapshotID
    package var ordinal: SnapshotOrdinal
    package var takenAt: Timestamp

    package init(
        volume: String, snapshot: String, id: SnapshotID, ordinal: SnapshotOrdinal,
        takenAt: Timestamp
    ) {
        self.volume = volume
        self.snapshot = snapshot
        self.id = id
        self.ordinal = ordinal
        self.takenAt = takenAt
    }

    /// What in it no snapmgr has written; nil when there is nothing.
    package var flaw: String? {
        let areUUIDs = TextBounds.isUUID(volume) && TextBounds.isUUID(snapshot)
        return areUUIDs ? nil : "what it was received from is none"
    }
}

/// That a stream is being written into a volume: until the snapshot is there that it brings, the volume holds a
/// part of it.
package struct ReceiveNote: Hashable, Sendable, Codable {
    /// The UUID of the volume that sends.
    package var volume: String
    /// That of the snapshot that is to come.
    package var snapshot: String
    /// The snapshot that the stream builds on, whose content the volume had at the beginning; nil when the stream
    /// brings all of it.
    package var base: SnapshotOrdinal?
    /// The newest snapshot at the beginning, into whose area goes what is overwritten; nil when there is no base.
    package var newest: SnapshotOrdinal?
    package var begunAt: Timestamp
    /// Up to which byte of the volume, from its beginning on, all that the stream had is there, durably: from there on it
    /// may go on. Nil of a stream that does not, whose part is taken back.
    package var mark: Int?
    /// When it came as far.
    package var markedAt: Timestamp?

    package init(
        volume: String, snapshot: String, base: SnapshotOrdinal?, newest: SnapshotOrdinal?,
        begunAt: Timestamp
    ) {
        self.base = base
        self.volume = volume
        self.snapshot = snapshot
        self.newest = newest
        self.begunAt = begunAt
    }
}
