internal import Catalog
package import SnapshotModel

/// How a volume is at the moment.
package enum VolumeState: String, Sendable, CaseIterable {
    /// Nobody has it open.
    case idle
    /// A server, or a command, has it open.
    case served
    /// A revert's merge is not done yet.
    case merging
    /// Some of its snapshots lost exceptions.
    case broken
    /// Its store or origin cannot be read.
    case missing
}

/// What `volume list` and `volume show` say.
package struct VolumeSummary: Hashable, Sendable {
    package var record: VolumeRecord
    package var storePath: String
    package var snapshotCount: Int
    /// Bytes that the store occupies; nil when it cannot be read.
    package var storeBytes: Int?
    package var state: VolumeState
}

extension VolumeSummary: JSONConvertible {
    package var json: JSONValue {
        [
            "name": JSONValue(record.name), "uuid": JSONValue(record.uuid),
            "driver": JSONValue(record.driver), "origin": JSONValue(record.originPath),
            "store": JSONValue(storePath), "size": JSONValue(record.geometry.volumeBytes),
            "chunk_size": JSONValue(record.geometry.chunkBytes),
            "snapshots": JSONValue(snapshotCount), "store_bytes": JSONValue(storeBytes),
            "state": JSONValue(state), "when_full": JSONValue(record.storeFullPolicy),
            "created_at": JSONValue(record.createdAt),
        ]
    }
}
