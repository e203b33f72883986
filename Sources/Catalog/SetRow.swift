package import SnapshotModel

/// A snapshot set and its members.
package struct SetRow: Hashable, Sendable {
    package var id: SetID
    package var name: String?
    package var createdAt: Timestamp
    /// The snapshots of the set that the catalog still has, unfinished ones included, by id.
    package var snapshots: [SnapshotID]
}
