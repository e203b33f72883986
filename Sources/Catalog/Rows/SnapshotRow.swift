package import SnapshotModel

/// How far the catalog and the store agree about a snapshot. A row that is not `present` when
/// nobody is at work on its volume is what a crash left.
package enum SnapshotPhase: String, Sendable, CaseIterable {
    /// The id is given out; the store may or may not have the snapshot.
    case creating
    case present
    /// Marked as deleted; the store may still have it.
    case deleting
}

/// What the catalog knows of a snapshot. The manifest's fields can be read as if they were the row's.
@dynamicMemberLookup
package struct SnapshotRow: Hashable, Sendable {
    /// While the phase is `creating`: ordinal 0, the time of the beginning, and the volume's size
    /// then, because only the store's manifest has the true ones.
    package var manifest: SnapshotManifest
    /// The volume's name.
    package var volume: String
    package var phase: SnapshotPhase
    package var state: SnapshotState
    /// Bytes in which the origin differs from the snapshot before; nil when not computed yet.
    package var changedBytes: Int?
    /// Bytes that deleting this snapshot alone would free; nil when not computed yet.
    package var exclusiveBytes: Int?
    /// The number of holds that keep it now; expired ones do not count.
    package var holds: Int

    package subscript<Value>(dynamicMember field: KeyPath<SnapshotManifest, Value>) -> Value {
        manifest[keyPath: field]
    }
}

/// The computed sizes of a snapshot, in bytes; nil is unknown.
package struct SnapshotSizes: Hashable, Sendable {
    package var changedBytes: Int?
    package var exclusiveBytes: Int?

    package init(changedBytes: Int?, exclusiveBytes: Int?) {
        self.changedBytes = changedBytes
        self.exclusiveBytes = exclusiveBytes
    }
}
