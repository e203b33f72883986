/// A clone's number within its volume: 1 is the first ever made. It names the clone's folder in the
/// store.
package struct CloneOrdinal: BoundedNumber, Hashable, Comparable, Sendable, Codable {
    package let rawValue: Int
    package init(rawValue: Int) { self.rawValue = rawValue }
    package init(from decoder: any Decoder) throws { self = try Self.checked(decoder) }

    package static let bounds = 1...(1 << 50)

    /// The ordinal of the clone that would be made after this one.
    package var next: CloneOrdinal { CloneOrdinal(rawValue: rawValue + 1) }
}

extension CloneOrdinal: CustomStringConvertible {
    package var description: String { String(rawValue) }
}

/// Everything that a store knows of a clone, a writable layer over a snapshot: the content of
/// `clone.json`. What was written to it lies in its area.
package struct CloneRecord: Hashable, Sendable, Codable {
    package var ordinal: CloneOrdinal
    /// By which it is served; unique among the clones and snapshots of its volume.
    package var name: String
    /// The snapshot that it began as, and that stays as long as it does.
    package var snapshot: SnapshotOrdinal
    /// The same by its id.
    package var snapshotID: SnapshotID
    /// The snapshot's size, and its own, in bytes.
    package var volumeBytes: Int
    package var createdAt: Timestamp

    package init(
        ordinal: CloneOrdinal, name: String, snapshot: SnapshotOrdinal, snapshotID: SnapshotID,
        volumeBytes: Int, createdAt: Timestamp
    ) {
        self.ordinal = ordinal
        self.name = name
        self.snapshot = snapshot
        self.snapshotID = snapshotID
        self.volumeBytes = volumeBytes
        self.createdAt = createdAt
    }
}

/// Asks for a clone of a snapshot.
package struct CloneRequest: Hashable, Sendable, Codable {
    package var snapshot: SnapshotID
    package var name: String

    package init(snapshot: SnapshotID, name: String) {
        self.snapshot = snapshot
        self.name = name
    }
}

extension CloneRequest {
    /// Why the name cannot be a clone's; nil when it can. Clones are served by their names alone, as
    /// volumes are.
    package var flaw: Problem? {
        guard !VolumeRecord.isValidName(name) else { return nil }
        return Problem(
            .usage,
            "`\(name)` cannot be a clone's name: letters, digits, `.`, `_` and `-`, 64 at most, the "
                + "first a letter or a digit, are allowed")
    }
}

/// Asks a revert to merge a clone's content with its snapshot's.
package struct CloneUse: Hashable, Sendable, Codable {
    package var name: String
    /// Whether the clone is over when the merge has ended; else it goes on then.
    package var ends: Bool

    package init(name: String, ends: Bool) {
        self.name = name
        self.ends = ends
    }
}
