internal import Catalog
package import SnapshotModel

/// A hold, as `show` and `hold list` show it.
package struct HoldSummary: Hashable, Sendable {
    package var snapshot: SnapshotID
    package var owner: String
    package var reason: String
    package var heldAt: Timestamp
    package var until: Timestamp?
    package var isExpired: Bool

    init(_ row: HoldRow) {
        snapshot = row.snapshot
        owner = row.owner
        reason = row.reason
        heldAt = row.heldAt
        until = row.until
        isExpired = row.isExpired
    }
}

extension HoldSummary: JSONConvertible {
    package var json: JSONValue {
        [
            "snapshot_id": JSONValue(snapshot), "owner": JSONValue(owner),
            "reason": JSONValue(reason), "held_at": JSONValue(heldAt),
            "until": JSONValue(until), "expired": JSONValue(isExpired),
        ]
    }
}

/// Everything that `show` knows of a snapshot.
package struct SnapshotDetails: Hashable, Sendable {
    package var summary: SnapshotSummary
    /// The nearest live snapshots of the same volume.
    package var previous: SnapshotID?
    package var next: SnapshotID?
    /// The other members of its set.
    package var setMembers: [SnapshotSummary]
    package var holds: [HoldSummary]
    /// The names of its clones.
    package var clones: [String]
    /// What it is known by wherever it is sent to; nil when its store cannot be looked at.
    package var uuid: String?
    /// Where a stream brought it from.
    package var source: SnapshotSource?
    /// What was done with the VMs whose disks it and its siblings are of; nil when it is no VM's.
    package var machines: MachinesRecord?
}

/// Everything that `show` knows of a set.
package struct SetDetails: Hashable, Sendable {
    package var set: SetSummary
    /// Those that are still there.
    package var snapshots: [SnapshotSummary]
    /// The volumes whose snapshot has gone.
    package var missing: [String]
    /// What came to rest for it, and when; nil when nothing did.
    package var machines: MachinesRecord?
}

extension SetDetails: JSONConvertible {
    package var json: JSONValue {
        [
            "set": set.json, "snapshots": JSONValue(snapshots),
            "missing_volumes": JSONValue(missing), "vms": machines?.json ?? .null,
        ]
    }
}

extension SnapshotSource: JSONConvertible {
    package var json: JSONValue {
        [
            "volume_uuid": JSONValue(volume), "snapshot_uuid": JSONValue(snapshot),
            "id": JSONValue(id), "ordinal": JSONValue(ordinal.rawValue),
            "taken_at": JSONValue(takenAt),
        ]
    }
}

extension SnapshotDetails: JSONConvertible {
    package var json: JSONValue {
        var fields = summary.fields
        let manifest = summary.manifest
        let more: [(String, JSONValue)] = [
            ("size", JSONValue(manifest.volumeBytes)), ("set_name", JSONValue(manifest.setName)),
            ("set_members", .array(setMembers.map { JSONValue($0.id) })),
            ("revert_id", JSONValue(manifest.revertID)), ("previous_id", JSONValue(previous)),
            ("next_id", JSONValue(next)), ("held_by", JSONValue(holds)),
            ("clones", JSONValue(clones)), ("uuid", JSONValue(uuid)),
            ("source", source?.json ?? .null), ("vms", machines?.json ?? .null),
        ]
        fields += more.map { JSONValue.Field(name: $0.0, value: $0.1) }
        return ["snapshot": .object(fields)]
    }
}
