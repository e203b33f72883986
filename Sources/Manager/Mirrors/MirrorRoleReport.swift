package import SnapshotModel

/// What `mirror promote` or `mirror demote` has made of a volume, or would.
package struct MirrorRoleReport: Hashable, Sendable {
    package var volume: String
    package var role: MirrorStanding.Role
    /// The number of the generation.
    package var generation: Int
    package var since: Timestamp
    /// Of a promotion, the snapshot that it reads as; of a demotion, the one that keeps what it was. Nil when there is
    /// none, or none yet.
    package var snapshot: SnapshotID?
    /// The revert that it took; nil when the volume read as the snapshot already.
    package var revert: RevertItem?
    /// Whether it was that before, so that nothing was done.
    package var wasThat = false
    package var isDryRun: Bool
}

extension MirrorRoleReport: JSONConvertible {
    package var json: JSONValue {
        [
            "mirror": [
                "volume": JSONValue(volume), "role": JSONValue(role),
                "generation": JSONValue(generation), "since": JSONValue(since),
                "snapshot_id": JSONValue(snapshot), "revert": revert?.json ?? .null,
                "unchanged": JSONValue(wasThat),
            ], "dry_run": JSONValue(isDryRun),
        ]
    }
}

extension MirrorStanding: JSONConvertible {
    package var json: JSONValue {
        [
            "role": JSONValue(role), "generation": JSONValue(generation.number),
            "promotion": JSONValue(generation.promotion), "since": JSONValue(since),
            "source_uuid": JSONValue(source), "snapshot_uuid": JSONValue(snapshot),
            "demoted": JSONValue(isDemoted ?? false), "split_brain": rival?.json ?? .null,
        ]
    }
}

extension MirrorRival: JSONConvertible {
    package var json: JSONValue {
        [
            "volume_uuid": JSONValue(volume), "volume": JSONValue(name),
            "generation": JSONValue(generation.number), "common_uuid": JSONValue(common),
            "found_at": JSONValue(foundAt),
        ]
    }
}
