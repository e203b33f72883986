package import SnapshotModel

/// What the catalog knows of a revert.
package struct RevertRow: Hashable, Sendable {
    package var id: RevertID
    /// The volume's name.
    package var volume: String
    /// The snapshot that the volume was reverted to; it may be gone by now.
    package var snapshot: SnapshotID
    /// The snapshot of the state that the revert left; nil before the commit, and without one.
    package var safetySnapshot: SnapshotID?
    /// What the reverts of one set have in common; nil for a volume reverted on its own.
    package var groupKey: Int64?
    /// The volumes that are reverted together, as the caller named them.
    package var group: [String]?
    /// Bytes to copy; nil before the commit.
    package var planBytes: Int?
    /// Where the merge stands; nil while the revert is pending: begun, not yet committed.
    package var state: MergeState?
    package var begunAt: Timestamp
    /// When the merge was done or cancelled; nil until then.
    package var endedAt: Timestamp?

    /// Whether a crash has to be rolled forward: the revert is pending, or its merge has not ended.
    package var isUnfinished: Bool { endedAt == nil }

    package init(
        id: RevertID, volume: String, snapshot: SnapshotID, safetySnapshot: SnapshotID? = nil,
        groupKey: Int64? = nil, group: [String]? = nil, planBytes: Int? = nil,
        state: MergeState? = nil, begunAt: Timestamp, endedAt: Timestamp? = nil
    ) {
        self.id = id
        self.volume = volume
        self.snapshot = snapshot
        self.safetySnapshot = safetySnapshot
        self.groupKey = groupKey
        self.group = group
        self.planBytes = planBytes
        self.state = state
        self.begunAt = begunAt
        self.endedAt = endedAt
    }
}
