/// What was done with VMs while snapshots of their disks were taken: a record in the store of the first volume. It is
/// found by that one's snapshot, and goes with it.
package struct MachinesRecord: Hashable, Sendable, Codable {
    /// Of the first volume.
    package var snapshotID: SnapshotID
    /// Nil for one volume alone.
    package var setID: SetID?
    package var startedAt: Timestamp
    /// For how long the volumes kept I/O waiting, in microseconds.
    package var heldMicroseconds: Int64
    /// What was done, in its order.
    package var steps: [MachineStep]
    package var machines: [MachineRecord]
    /// The programs that were asked to come to rest; nil when there was none.
    package var participants: [ParticipantRecord]?

    /// - Parameter steps: what is beyond the number that a record may have is left out.
    package init(
        snapshotID: SnapshotID, setID: SetID?, startedAt: Timestamp, heldMicroseconds: Int64 = 0,
        steps: [MachineStep] = [], machines: [MachineRecord] = []
    ) {
        self.snapshotID = snapshotID
        self.setID = setID
        self.startedAt = startedAt
        self.heldMicroseconds = heldMicroseconds
        self.steps = Array(steps.prefix(MachineStep.countMaximum))
        self.machines = machines
    }

    private enum CodingKeys: String, CodingKey {
        case snapshotID = "snapshot_id"
        case setID = "set_id"
        case startedAt = "started_at"
        case heldMicroseconds = "held_us"
        case steps = "timeline"
        case machines = "vms"
        case participants
    }

    /// What makes it impossible; nil when it may be right.
    package var flaw: String? {
        guard steps.count <= MachineStep.countMaximum, machines.count <= TextBounds.setVolumeCount
        else { return "it is longer than any is" }
        guard heldMicroseconds >= 0, steps.allSatisfy(\.isPossible) else {
            return "its times are none"
        }
        guard (participants ?? []).count <= ParticipantRecord.countMaximum else {
            return "it has more participants than there can be"
        }
        return machines.lazy.compactMap(\.flaw).first
            ?? (participants ?? []).lazy.compactMap(\.flaw).first
    }
}

/// One VM in it.
package struct MachineRecord: Hashable, Sendable, Codable {
    package var name: String
    /// What was reached.
    package var level: Consistency
    /// Why it is not more; nil when it is what was asked for.
    package var reason: String?
    /// For how long the VM stood still, in microseconds, as QEMU tells it; nil when it did not stop.
    package var downtimeMicroseconds: Int64?
    /// For how long its filesystems were frozen, in microseconds; nil when they were not.
    package var frozenMicroseconds: Int64?
    /// How its memory went out: `background`, `live` or `stopped`.
    package var method: String?
    /// Its memory and devices; nil when they were not saved.
    package var state: StoredMachineState?
    /// The UUIDs of its volumes then; nil when they were not known.
    package var disks: [String]?

    package init(name: String, level: Consistency = .crash, reason: String? = nil) {
        self.name = name
        self.level = level
        self.reason = reason
    }

    private enum CodingKeys: String, CodingKey {
        case name, level, reason
        case downtimeMicroseconds = "downtime_us"
        case frozenMicroseconds = "frozen_us"
        case method, state, disks
    }

    fileprivate var flaw: String? {
        guard VolumeRecord.isValidName(name) else { return "it has a VM without a name" }
        guard (downtimeMicroseconds ?? 0) >= 0, (frozenMicroseconds ?? 0) >= 0 else {
            return "the times of VM \(name) are none"
        }
        guard (disks ?? []).count <= TextBounds.setVolumeCount else {
            return "VM \(name) has more disks than any has"
        }
        guard let state else { return nil }
        let isDigest =
            state.sha256.utf8.count == 64 && state.sha256.allSatisfy { $0.isHexDigit }
        return state.byteCount >= 0 && state.storedBytes >= 0 && isDigest
            ? nil : "the state of VM \(name) is none"
    }
}

/// A VM's state, as the record of its set says.
package struct StoredMachineState: Hashable, Sendable, Codable {
    /// Of what QEMU wrote, in bytes.
    package var byteCount: Int
    /// Of the file, in bytes.
    package var storedBytes: Int
    /// Of the file without its last 32 bytes, which are this; 64 hexadecimal digits.
    package var sha256: String

    package init(byteCount: Int, storedBytes: Int, sha256: String) {
        self.byteCount = byteCount
        self.storedBytes = storedBytes
        self.sha256 = sha256
    }

    private enum CodingKeys: String, CodingKey {
        case byteCount = "bytes"
        case storedBytes = "stored_bytes"
        case sha256
    }
}
