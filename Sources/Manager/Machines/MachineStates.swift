internal import Catalog
internal import SnapshotModel
internal import StoreFormat
internal import System

/// What stores keep of VMs.
struct MachineStates {
    private let context: ManagerContext

    init(_ context: ManagerContext) { self.context = context }

    /// A record, and the store that has it.
    struct Found {
        var record: MachinesRecord
        var volume: VolumeRow

        var store: Store { Store(folder: FileFolder(path: volume.storePath)) }
    }

    /// What was done with VMs when snapshots were taken together; nil when nothing was.
    ///
    /// - Throws: `corrupt`, `newer_version`.
    func find(_ rows: [SnapshotRow]) throws -> Found? {
        for row in rows {
            let volume = try context.volume(row.volume)
            let found = Store(folder: FileFolder(path: volume.storePath))
            // A store that is not there has its own words elsewhere.
            guard let record = try found.machines(of: row.id), record.setID == row.setID else {
                continue
            }
            return Found(record: record, volume: volume)
        }
        return nil
    }

    /// The same to be shown: what cannot be read is said.
    func record(of rows: [SnapshotRow]) throws -> MachinesRecord? {
        do { return try find(rows)?.record } catch {
            context.note(Problem(error).message)
            return nil
        }
    }

    /// Removes what belonged to snapshots of a volume that are not there any more. To be called while it is locked.
    func sweep(_ volume: VolumeRow) throws {
        let folder = FileFolder(path: volume.storePath)
        guard try folder.isFolder(StoreLayout.machines) else { return }
        let (store, kept) = (Store(folder: folder), try MachineMarks(context.state).keptMemories)
        // Each state is as large as a VM's memory: what the catalog does not know, the store may.
        let facts = StoreFacts(volume, try context.reader(volume))
        try store.removeMachines(
            keepingDraftsOf: kept,
            unless: { id in
                if try context.catalog.snapshot(id) != nil { return true }
                return try facts.manifest(id).map { !$0.isDeleted } ?? false
            })
    }
}

extension MachinesRecord: JSONConvertible {
    package var json: JSONValue {
        [
            "snapshot_id": JSONValue(snapshotID), "set_id": JSONValue(setID),
            "started_at": JSONValue(startedAt), "held_us": JSONValue(heldMicroseconds),
            "timeline": JSONValue(steps),
            "vms": JSONValue(machines), "participants": JSONValue(participants ?? []),
        ]
    }
}

extension MachineStep: JSONConvertible {
    package var json: JSONValue {
        [
            "at_us": JSONValue(atMicroseconds), "step": JSONValue(text), "who": JSONValue(who),
            "phase": JSONValue(phase?.rawValue), "began_us": JSONValue(beganMicroseconds),
        ]
    }
}

extension ParticipantRecord: JSONConvertible {
    package var json: JSONValue {
        [
            "who": JSONValue(who), "volumes": JSONValue(volumes),
            "stayed": JSONValue(reason == nil),
            "reason": JSONValue(reason),
        ]
    }
}

extension MachineRecord: JSONConvertible {
    package var json: JSONValue {
        [
            "name": JSONValue(name), "level": JSONValue(level), "reason": JSONValue(reason),
            "downtime_us": JSONValue(downtimeMicroseconds),
            "frozen_us": JSONValue(frozenMicroseconds), "method": JSONValue(method),
            "state_bytes": JSONValue(state?.byteCount),
            "stored_bytes": JSONValue(state?.storedBytes), "sha256": JSONValue(state?.sha256),
        ]
    }
}
