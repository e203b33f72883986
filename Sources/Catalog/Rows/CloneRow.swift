package import SnapshotModel

/// What the catalog knows of a clone.
package struct CloneRow: Hashable, Sendable {
    /// The volume's name.
    package var volume: String
    package var record: CloneRecord

    package init(volume: String, record: CloneRecord) {
        self.volume = volume
        self.record = record
    }
}
