package import SnapshotModel

/// What the catalog knows of a volume.
package struct VolumeRow: Hashable, Sendable {
    package var record: VolumeRecord
    /// The absolute path of the volume's store.
    package var storePath: String
    /// The highest ordinal known, of snapshots that are gone too; 0 before the first. The snapshot
    /// with this ordinal is the active one.
    package var snapshotsSeen: SnapshotOrdinal
    /// The snapshot whose labels a command was writing anew when this was read, or when it was cut.
    package var labelling: SnapshotID?
    /// The name of the clone that a command was making or deleting when this was read, or when it was cut.
    package var cloning: String?

    package init(
        record: VolumeRecord, storePath: String,
        snapshotsSeen: SnapshotOrdinal = SnapshotOrdinal(rawValue: 0),
        labelling: SnapshotID? = nil, cloning: String? = nil
    ) {
        self.cloning = cloning
        self.labelling = labelling
        self.record = record
        self.storePath = storePath
        self.snapshotsSeen = snapshotsSeen
    }
}
