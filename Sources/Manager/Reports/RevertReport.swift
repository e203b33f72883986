package import SnapshotModel
internal import VolumeAccess

/// What one volume's revert would do, or did.
package struct RevertItem: Hashable, Sendable {
    /// Nil for a preview, and when there was nothing to do.
    package var id: RevertID?
    package var volume: String
    package var target: SnapshotID
    package var safety: SnapshotID?
    /// Bytes that the merge copies into the origin.
    package var planBytes: Int
    /// Bytes that the merge first keeps for other snapshots; nil when it was not asked for.
    package var preserveBytes: Int?
    package var usableAfterNanoseconds: Int64?
    /// Nil for a preview.
    package var state: MergeState?
    /// Whose content the volume gets, too.
    package var clone: CloneUse?
    /// Whether it waits until the volume is closed.
    package var isQueued = false
    /// Clients under which the volume's content changes.
    package var clients: ClientPresence?

    /// What these have to do.
    package var clientAdvice: String? { clients?.advice(volume) }

    /// The whole milliseconds until the volume was usable, rounded up.
    package var usableAfterMilliseconds: Int64? {
        usableAfterNanoseconds.map { $0.addingClamped(999_999) / 1_000_000 }
    }
}

/// What a revert, of one volume or of a set, would do or did.
package struct RevertReport: Hashable, Sendable {
    package var items: [RevertItem]
    /// The set that was reverted to.
    package var set: SetID?
    package var isDryRun: Bool
    /// What is done with VMs whose disks they are, in its order; empty when they are no VM's.
    package var steps: [String] = []
    /// The VMs that went back, too.
    package var machines: [MachineRevertItem] = []
}

extension RevertItem: JSONConvertible {
    package var json: JSONValue {
        [
            "id": JSONValue(id), "volume": JSONValue(volume), "snapshot_id": JSONValue(target),
            "safety_snapshot_id": JSONValue(safety), "plan_bytes": JSONValue(planBytes),
            "preserve_bytes": JSONValue(preserveBytes),
            "usable_after_ms": JSONValue(usableAfterMilliseconds),
            "state": state.map { JSONValue($0) } ?? (isQueued ? JSONValue("queued") : .null),
            "clients": JSONValue(clients?.count ?? 0), "clone": JSONValue(clone?.name),
        ]
    }
}

extension RevertReport: JSONConvertible {
    /// `revert` for one volume; `reverts` for a set.
    package var json: JSONValue {
        if set == nil, let item = items.first {
            return [
                "revert": item.json, "dry_run": JSONValue(isDryRun), "steps": JSONValue(steps),
                "vms": JSONValue(machines),
            ]
        }
        return [
            "reverts": JSONValue(items), "set_id": JSONValue(set), "dry_run": JSONValue(isDryRun),
            "steps": JSONValue(steps), "vms": JSONValue(machines),
        ]
    }
}
