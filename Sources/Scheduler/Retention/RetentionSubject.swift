package import SnapshotModel

/// What retention may know of a snapshot. Snapshots that are already marked as deleted are none.
package struct RetentionSubject: Hashable, Sendable {
    package var id: SnapshotID
    package var ordinal: SnapshotOrdinal
    package var takenAt: Timestamp
    package var kind: SnapshotKind
    package var name: String?
    package var tags: [String]
    package var holds: [RetentionHold]
    /// Whether no mirror waits for it: each one that wants it has it.
    package var isMirrored: Bool
    /// What needs it right now, whatever rules say.
    package var uses: Set<Use>
    /// The folders where it is mounted.
    package var mountPoints: [String] = []

    /// A use that a snapshot must not be deleted in.
    package enum Use: Hashable, Sendable, CaseIterable {
        /// The newest one that a mirror has, too: what the next transfer starts from.
        case mirrorBase
        /// A merge copies it to the origin.
        case merging
        /// The safety snapshot of a revert whose merge still runs: what undoes it.
        case undoesRunningRevert
        /// A clone reads from it.
        case cloned
        /// It is mounted.
        case mounted
        /// It is being sent, or what is sent builds on it.
        case sent
        /// Somebody reads it: an NBD client, or a command.
        case read
    }

    package init(
        id: SnapshotID, ordinal: SnapshotOrdinal, takenAt: Timestamp,
        kind: SnapshotKind = .scheduled, name: String? = nil, tags: [String] = [],
        holds: [RetentionHold] = [], isMirrored: Bool = true, uses: Set<Use> = []
    ) {
        self.id = id
        self.ordinal = ordinal
        self.takenAt = takenAt
        self.kind = kind
        self.name = name
        self.tags = tags
        self.holds = holds
        self.isMirrored = isMirrored
        self.uses = uses
    }

    /// The order of time; snapshots of one moment stand in the order of the chain.
    package static func isEarlier(_ left: RetentionSubject, _ right: RetentionSubject) -> Bool {
        (left.takenAt, left.ordinal) < (right.takenAt, right.ordinal)
    }
}

/// Somebody's wish that a snapshot stays.
package struct RetentionHold: Hashable, Sendable {
    package var owner: String
    package var reason: String
    /// The moment from which the hold keeps nothing any more; nil is never.
    package var until: Timestamp?

    package init(owner: String, reason: String, until: Timestamp? = nil) {
        self.owner = owner
        self.reason = reason
        self.until = until
    }

    package func isExpired(at moment: Timestamp) -> Bool {
        until.map { $0 <= moment } ?? false
    }
}
