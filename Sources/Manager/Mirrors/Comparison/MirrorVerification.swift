package import SnapshotModel

/// What `mirror verify` has found.
package struct MirrorVerification: Hashable, Sendable {
    package var mirror: String
    package var volume: String
    package var target: String
    /// The snapshot that was compared: what it has here, there, and everywhere.
    package var snapshot: SnapshotID
    package var targetID: SnapshotID
    package var uuid: String
    /// The bytes of the snapshot.
    package var comparedBytes: Int
    /// Where it differs, ascending.
    package var ranges: [Range<Int>]
    package var milliseconds: Int64 = 0

    package var differingBytes: Int { ranges.map(\.count).clampedSum }
    /// Whether both are the same.
    package var isSame: Bool { ranges.isEmpty }
}

extension MirrorVerification: JSONConvertible {
    package var json: JSONValue {
        [
            "verify": [
                "name": JSONValue(mirror), "volume": JSONValue(volume), "target": JSONValue(target),
                "snapshot_id": JSONValue(snapshot), "target_id": JSONValue(targetID),
                "uuid": JSONValue(uuid), "same": JSONValue(isSame),
                "compared_bytes": JSONValue(comparedBytes),
                "differing_bytes": JSONValue(differingBytes),
                "ranges": .array(
                    ranges.map {
                        ["offset": JSONValue($0.lowerBound), "length": JSONValue($0.count)]
                    }),
                "duration_ms": JSONValue(milliseconds),
            ]
        ]
    }
}
