internal import Catalog
package import SnapshotModel
package import VolumeAccess

/// What `volume list` and `volume show` say.
package struct VolumeSummary: Hashable, Sendable {
    package var record: VolumeRecord
    package var storePath: String
    package var snapshotCount: Int
    package var cloneCount: Int
    /// Bytes that the store occupies; nil when it cannot be read.
    package var storeBytes: Int?
    package var state: VolumeCondition
    /// What users mount; nil for an image.
    package var devicePath: String?
}

extension VolumeSummary: JSONConvertible {
    package var json: JSONValue {
        [
            "name": JSONValue(record.name), "uuid": JSONValue(record.uuid),
            "driver": JSONValue(record.driver), "origin": JSONValue(record.originPath),
            "device": JSONValue(devicePath),
            "store": JSONValue(storePath), "size": JSONValue(record.geometry.volumeBytes),
            "chunk_size": JSONValue(record.geometry.chunkBytes),
            "snapshots": JSONValue(snapshotCount), "clones": JSONValue(cloneCount),
            "store_bytes": JSONValue(storeBytes),
            "state": JSONValue(state), "when_full": JSONValue(record.storeFullPolicy),
            "created_at": JSONValue(record.createdAt),
        ]
    }
}
