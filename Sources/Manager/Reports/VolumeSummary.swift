internal import Catalog
internal import DeviceDriver
package import SnapshotModel

/// How a volume is at the moment.
package enum VolumeState: String, Sendable, CaseIterable {
    /// An image that nobody has open.
    case idle
    /// An image that a server, or a command, has open.
    case served
    /// Under device-mapper, and its device is there.
    case active
    /// Under device-mapper, and its device is not there.
    case inactive
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

    /// What users mount; nil for an image.
    package var devicePath: String? {
        record.driver == .dm ? DeviceGlance.devicePath(ofVolume: record.name) : nil
    }
}

extension VolumeSummary: JSONConvertible {
    package var json: JSONValue {
        [
            "name": JSONValue(record.name), "uuid": JSONValue(record.uuid),
            "driver": JSONValue(record.driver), "origin": JSONValue(record.originPath),
            "device": JSONValue(devicePath),
            "store": JSONValue(storePath), "size": JSONValue(record.geometry.volumeBytes),
            "chunk_size": JSONValue(record.geometry.chunkBytes),
            "snapshots": JSONValue(snapshotCount), "store_bytes": JSONValue(storeBytes),
            "state": JSONValue(state), "when_full": JSONValue(record.storeFullPolicy),
            "created_at": JSONValue(record.createdAt),
        ]
    }
}
