internal import Catalog
package import SnapshotModel

/// A clone, as `clone list` shows it.
package struct CloneSummary: Hashable, Sendable {
    /// How a clone is.
    package enum State: String, Sendable {
        case ready
        /// A merge copies from it: it is read alone.
        case merging
        /// Its snapshot lost exceptions.
        case broken
        /// Its volume is not active, so that it has no device; only where clones have devices.
        case inactive
        /// Its store was full or failed: all I/O fails until nobody has its device open and a command comes by.
        case failed
    }

    package var volume: String
    package var record: CloneRecord
    /// What was written to it occupies in the store, in bytes; nil when that cannot be looked at.
    package var storeBytes: Int?
    /// What the layers that it reads occupy, in bytes; other clones may read them, too.
    package var layerBytes: Int
    /// The kernel's device of it; nil where it has none.
    package var devicePath: String?
    package var state: State
}

extension CloneSummary: JSONConvertible {
    package var json: JSONValue {
        [
            "name": JSONValue(record.name), "volume": JSONValue(volume),
            "snapshot_id": JSONValue(record.snapshotID), "size": JSONValue(record.volumeBytes),
            "store_bytes": JSONValue(storeBytes), "state": JSONValue(state),
            "parent": JSONValue(record.parent), "read_only": JSONValue(record.isReadOnly),
            "layers": JSONValue(record.layers?.count ?? 0), "layer_bytes": JSONValue(layerBytes),
            "device": JSONValue(devicePath), "created_at": JSONValue(record.createdAt),
        ]
    }
}

/// A clone that was made; of a dry run, one that could be.
package struct CloneReport: Hashable, Sendable {
    package var volume: String
    package var snapshot: SnapshotID
    /// The clone that it began as; nil when that is the snapshot itself.
    package var parent: String?
    package var name: String
    /// Nil of a dry run.
    package var clone: CloneSummary?

    package var isDryRun: Bool { clone == nil }
}

extension CloneReport: JSONConvertible {
    package var json: JSONValue {
        [
            "clone": clone?.json
                ?? [
                    "name": JSONValue(name), "volume": JSONValue(volume),
                    "snapshot_id": JSONValue(snapshot), "parent": JSONValue(parent),
                ], "dry_run": JSONValue(isDryRun),
        ]
    }
}

/// What deleting a clone frees, or freed.
package struct CloneDeletionReport: Hashable, Sendable {
    package var volume: String
    package var name: String
    /// What its area occupied, with the layers that no other clone reads, in bytes.
    package var freedBytes: Int
    package var isDryRun: Bool
}

extension CloneDeletionReport: JSONConvertible {
    package var json: JSONValue {
        [
            "deleted": ["name": JSONValue(name), "volume": JSONValue(volume)],
            "freed_bytes": JSONValue(freedBytes), "dry_run": JSONValue(isDryRun),
        ]
    }
}
