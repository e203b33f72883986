package import SnapshotModel
package import System

/// What was done with VMs while snapshots were taken, and their states.
extension Store {
    /// What was done when a snapshot was taken that is the first of its set; nil when no VM was in it.
    ///
    /// - Throws: `corrupt`, `newerVersion`.
    package func machines(of id: SnapshotID) throws(Problem) -> MachinesRecord? {
        let name = StoreLayout.machinesRecord(id)
        guard try exists(name) else { return nil }
        let record = try read(MachinesRecord.self, name, as: .machines)
        guard record.snapshotID == id else {
            throw impossible(name, "it is that of snapshot \(record.snapshotID)")
        }
        if let flaw = record.flaw { throw impossible(name, flaw) }
        return record
    }

    /// Writes what was done, durably; the states that it names are in their places by then.
    package func write(_ record: MachinesRecord) throws(Problem) {
        try makeMachinesFolder()
        try replace(StoreLayout.machinesRecord(record.snapshotID), record, as: .machines)
    }

    private func makeMachinesFolder() throws(Problem) {
        guard try !exists(StoreLayout.machines) else { return }
        try doing { () throws(IOFailure) in
            try folder.makeFolder(StoreLayout.machines)
            try folder.syncFolder("")
        }
    }

    /// Makes the file of a VM's state, which does not count until ``keepState(_:_:)``.
    package func makeState(
        _ id: SnapshotID, _ machine: String
    ) throws(Problem) -> any BlockDevice {
        try makeMachinesFolder()
        let name = StoreLayout.machineState(id, machine) + StoreLayout.draftSuffix
        return try doing { () throws(IOFailure) in
            if try folder.exists(name) { try folder.removeFile(name) }
            return try folder.createFile(name, byteCount: 0)
        }
    }

    /// Has a state that is whole and durable count.
    ///
    /// - Parameter kept: the snapshot whose state it is, when that was not known at first.
    package func keepState(
        _ id: SnapshotID, _ machine: String, as kept: SnapshotID? = nil
    ) throws(Problem) {
        try doing { () throws(IOFailure) in
            try folder.rename(
                StoreLayout.machineState(id, machine) + StoreLayout.draftSuffix,
                to: StoreLayout.machineState(kept ?? id, machine))
            try folder.syncFolder(StoreLayout.machines)
        }
    }

    /// Drops a state that is not finished; it is no error when there is none.
    package func dropState(_ id: SnapshotID, _ machine: String) throws(Problem) {
        let name = StoreLayout.machineState(id, machine) + StoreLayout.draftSuffix
        guard try exists(name) else { return }
        try doing { () throws(IOFailure) in try folder.removeFile(name) }
    }

    /// Opens the state of a VM for reading.
    ///
    /// - Parameter isDraft: one that does not count yet.
    package func openState(
        _ id: SnapshotID, _ machine: String, isDraft: Bool = false
    ) throws(Problem) -> any BlockDevice {
        let name = StoreLayout.machineState(id, machine) + (isDraft ? StoreLayout.draftSuffix : "")
        return try doing { () throws(IOFailure) in
            try folder.openFile(name, writable: false)
        }
    }

    /// Removes what belongs to snapshots that are not there any more, and what a crash has left unfinished. To be
    /// called while nobody takes or reverts to one.
    ///
    /// - Parameters:
    ///   - kept: the VMs whose unfinished states stay: they may be all that there is of their memory.
    ///   - isThere: whether a snapshot is.
    package func removeMachines(
        keepingDraftsOf kept: Set<String> = [], unless isThere: (SnapshotID) throws -> Bool
    ) throws {
        guard try folder.isFolder(StoreLayout.machines) else { return }
        for name in try folder.list(StoreLayout.machines) {
            guard let id = StoreLayout.machinesSnapshot(of: name),
                try name.hasSuffix(StoreLayout.draftSuffix) || !isThere(id),
                !kept.contains(where: { StoreLayout.isDraft(name, of: $0) })
            else { continue }
            try folder.removeFile("\(StoreLayout.machines)/\(name)")
        }
    }

    /// Removes all of it, of a store that goes as a whole.
    ///
    /// - Returns: what is none of ours, and stays.
    func removeAllMachines() throws(Problem) -> [String] {
        guard try exists(StoreLayout.machines) else { return [] }
        return try doing { () throws(IOFailure) in
            guard try folder.isFolder(StoreLayout.machines) else { return [StoreLayout.machines] }
            var left: [String] = []
            for name in try folder.list(StoreLayout.machines).sorted() {
                let path = "\(StoreLayout.machines)/\(name)"
                if StoreLayout.isMachineFile(name), try !folder.isFolder(path) {
                    try folder.removeFile(path)
                } else {
                    left.append(path)
                }
            }
            if left.isEmpty { try folder.removeFolder(StoreLayout.machines) }
            return left
        }
    }
}

extension MachinesRecord: VersionedRecord {
    /// Version 3 has participants, version 4 says whose steps there were.
    package var formatVersion: Int {
        steps.contains { $0.who != nil } ? 4 : participants == nil ? 2 : 3
    }
}
