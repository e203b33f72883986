package import SnapshotModel

/// A volume as it is remembered: what it is, and where its store lies.
package struct VolumePlace: Hashable, Sendable {
    package var record: VolumeRecord
    /// The absolute path of the store's folder.
    package var storePath: String

    package init(_ record: VolumeRecord, storePath: String) {
        self.record = record
        self.storePath = storePath
    }

    package var name: String { record.name }
}
