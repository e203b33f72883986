/// Somebody's wish that a snapshot stays.
package struct HoldRow: Hashable, Sendable {
    package var snapshot: SnapshotID
    /// Who holds it: a person, a mirror, a clone. One hold per owner and snapshot.
    package var owner: String
    package var reason: String
    package var heldAt: Timestamp
    /// The moment from which the hold keeps nothing any more; nil is never.
    package var until: Timestamp?
    /// Whether that moment had come when the row was read.
    package var isExpired: Bool

    package init(
        snapshot: SnapshotID, owner: String, reason: String, heldAt: Timestamp, until: Timestamp?,
        isExpired: Bool
    ) {
        self.snapshot = snapshot
        self.owner = owner
        self.reason = reason
        self.heldAt = heldAt
        self.until = until
        self.isExpired = isExpired
    }
}
