internal import Catalog
internal import Settings
internal import SnapshotModel
internal import StoreFormat
internal import System
internal import VirtualMachines

/// The memory that was saved with snapshots of a VM's disks.
struct SavedMemory {
    let found: MachineStates.Found
    let state: StoredMachineState
    private let name: String

    /// Nil when they were taken without.
    ///
    /// - Parameter rows: snapshots of all of its disks, among others.
    /// - Throws: `refused` when it was saved with other disks than the VM has now; `corrupt` when it is damaged.
    init?(
        of settings: MachineSettings, _ context: ManagerContext, with rows: [SnapshotRow]
    ) throws {
        let set = rows.first?.setID
        let members = try set.map { try context.catalog.snapshots(set: $0) } ?? rows
        guard let found = try MachineStates(context).find(members),
            let machine = found.record.machines.first(where: { $0.name == settings.name }),
            let state = machine.state
        else { return nil }
        (self.found, self.state, name) = (found, state, settings.name)
        if let then = machine.disks {
            let now = try settings.volumes.map { try context.volume($0).record.uuid }
            guard Set(then) == Set(now) else {
                throw Problem(
                    .refused,
                    "the memory of VM \(settings.name) was saved with other disks than it has now",
                    hint: "mend volumes in [vm.\(settings.name)], then try again")
            }
        }
        try reader().verify(state)
    }

    /// Reads it.
    func reader() throws(Problem) -> MachineStateReader {
        try MachineStateReader(found.store.openState(found.record.snapshotID, name))
    }

    /// When it was saved.
    var savedAt: Timestamp { found.record.startedAt }
}
