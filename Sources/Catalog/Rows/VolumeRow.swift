package import SnapshotModel

/// What the catalog knows of a volume.
package struct VolumeRow: Hashable, Sendable {
    package var record: VolumeRecord
    /// The absolute path of the volume's store.
    package var storePath: String
    /// The highest ordinal known, of snapshots that are gone too; 0 before the first. The snapshot
    /// with this ordinal is the active one.
    package var snapshotsSeen: SnapshotOrdinal

    package init(
        record: VolumeRecord, storePath: String,
        snapshotsSeen: SnapshotOrdinal = SnapshotOrdinal(rawValue: 0)
    ) {
        self.record = record
        self.storePath = storePath
        self.snapshotsSeen = snapshotsSeen
    }
}
