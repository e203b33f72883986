package import SnapshotModel

/// A snapshot set and its members.
package struct SetRow: Hashable, Sendable {
    package var id: SetID
    package var name: String?
    package var createdAt: Timestamp
    /// For how long writes waited while it was taken, from the first volume's hold to the last one's
    /// release; nil when it was not measured or the catalog was rebuilt.
    package var heldNanoseconds: Int64?
    /// The snapshots of the set that the catalog still has, unfinished ones included, by id.
    package var snapshots: [SnapshotID]
}
