package import SnapshotModel

/// A snapshot that was sent, or would be.
package struct SentSnapshot: Hashable, Sendable {
    package var id: SnapshotID
    package var uuid: String
    /// The snapshot that it is sent as the changes since; nil when all of it is sent.
    package var base: SnapshotID?
    /// The bytes of it that are data: of a dry run at most so many.
    package var dataBytes: Int
    /// The bytes that were looked at: all of the volume, or what may have changed.
    package var changedBytes: Int
}

/// What `send` has sent, or would send.
package struct SendReport: Hashable, Sendable {
    package var volume: String
    package var snapshots: [SentSnapshot]
    /// The length of the stream; nil of a dry run.
    package var streamBytes: Int?

    package var isDryRun: Bool { streamBytes == nil }
    package var dataBytes: Int { snapshots.map(\.dataBytes).clampedSum }
}

extension SentSnapshot: JSONConvertible {
    package var json: JSONValue {
        [
            "id": JSONValue(id), "uuid": JSONValue(uuid), "base_id": JSONValue(base),
            "data_bytes": JSONValue(dataBytes), "changed_bytes": JSONValue(changedBytes),
        ]
    }
}

extension SendReport: JSONConvertible {
    package var json: JSONValue {
        [
            "send": [
                "volume": JSONValue(volume), "snapshots": JSONValue(snapshots),
                "data_bytes": JSONValue(dataBytes), "stream_bytes": JSONValue(streamBytes),
                "dry_run": JSONValue(isDryRun),
            ]
        ]
    }
}
