package import SnapshotModel

/// A volume as it is remembered: what it is, and where its store lies.
package struct VolumePlace: Hashable, Sendable {
    /// The volume's, as the catalog has it.
    package var record: VolumeRecord
    /// The absolute path of the store's folder.
    package var storePath: String
    /// How long the log of first writes is to be while the volume is served, in bytes; nil for none.
    package var writeBackBytes: Int?

    package init(_ record: VolumeRecord, storePath: String) {
        self.record = record
        self.storePath = storePath
    }

    /// The volume's.
    package var name: String { record.name }
}
