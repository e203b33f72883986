package import SnapshotModel

/// A snapshot that a stream has brought, or would have.
package struct ReceivedSnapshot: Hashable, Sendable {
    /// What it has here.
    package var id: SnapshotID
    package var uuid: String
    package var name: String?
    /// What it has where it comes from.
    package var sourceID: SnapshotID
    /// The bytes of data that the stream had of it.
    package var dataBytes: Int
    /// Whether it was here already.
    package var wasThere: Bool
}

/// What `receive` has done.
package struct ReceiveReport: Hashable, Sendable {
    package var volume: String
    /// Whether the volume was made for it.
    package var isNewVolume: Bool
    /// The UUID of the volume that sent the stream.
    package var sourceVolume: String
    package var snapshots: [ReceivedSnapshot]
    package var streamBytes: Int

    package var taken: [ReceivedSnapshot] { snapshots.filter { !$0.wasThere } }
}

extension ReceivedSnapshot: JSONConvertible {
    package var json: JSONValue {
        [
            "id": JSONValue(id), "uuid": JSONValue(uuid), "name": JSONValue(name),
            "source_id": JSONValue(sourceID), "data_bytes": JSONValue(dataBytes),
            "was_there": JSONValue(wasThere),
        ]
    }
}

extension ReceiveReport: JSONConvertible {
    package var json: JSONValue {
        [
            "receive": [
                "volume": JSONValue(volume), "new_volume": JSONValue(isNewVolume),
                "source_volume": JSONValue(sourceVolume), "snapshots": JSONValue(snapshots),
                "stream_bytes": JSONValue(streamBytes),
            ]
        ]
    }
}
