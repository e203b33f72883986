internal import Catalog
internal import Settings
internal import SnapshotModel
internal import StoreFormat
internal import System
internal import VolumeAccess

/// The VMs whose disks are among the volumes of a set that is taken. The calls come in the order in which they stand
/// here, from one thread.
final class MachineSet {
    private let context: ManagerContext
    private let volumes: [VolumeRow]
    private let attempts: [MachineAttempt]
    private var snapshotID: SnapshotID?
    private var hasConcluded = false

    /// Nil when no volume is a VM's disk.
    ///
    /// - Throws: the settings' errors; `locked`.
    init?(
        _ context: ManagerContext, _ volumes: [VolumeRow], _ timeline: MachineTimeline
    ) throws {
        let machines = try context.settings.get().machines(using: volumes.map(\.record.name))
        guard !machines.isEmpty else { return nil }
        self.context = context
        self.volumes = volumes
        attempts = try machines.map { machine in
            var machine = machine
            let names = Set(volumes.map(\.record.name))
            // Memory is of no use without all disks of its moment.
            if !names.isSuperset(of: machine.volumes) {
                machine.savesState = false
                if machine.required == .vm { machine.required = .fs }
                if machine.required == .fs, machine.agentPath == nil { machine.required = .crash }
            }
            return try MachineAttempt(machine, context, timeline)
        }
    }

    /// - Parameter beforeStandstill: called before the first VM whose memory goes out live, which stands still from then
    ///   on; gets for how long, at most, memory goes out so, in seconds.
    /// - Throws: `refused` when less can be had than the settings require; what `beforeStandstill` does.
    func prepare(
        first id: SnapshotID, beforeStandstill: (_ seconds: Double) throws -> Void
    ) throws {
        snapshotID = id
        guard let store else { return }
        for attempt in attempts {
            try attempt.prepare(store, first: id, shares: attempts.count)
        }
        let durations = attempts.compactMap(\.liveSeconds)
        guard !durations.isEmpty else { return }
        try beforeStandstill(durations.reduce(0, +))
        for attempt in attempts { try attempt.saveLive() }
    }

    func comeToRest() throws { for attempt in attempts { try attempt.comeToRest() } }

    func onHeld() { for attempt in attempts { attempt.onHeld() } }

    /// Whatever has happened, all VMs go on. May be called at any time.
    func goOn() { for attempt in attempts.reversed() { attempt.goOn() } }

    /// What failed leaves nothing behind.
    func undo() {
        guard !hasConcluded else { return }
        goOn()
        guard let store, let snapshotID else { return }
        for attempt in attempts {
            attempt.abandon()
            try? store.dropState(snapshotID, attempt.settings.name)
        }
    }

    /// The store of the first volume, which keeps what belongs to all.
    private var store: Store? {
        volumes.first.map { Store(folder: FileFolder(path: $0.storePath)) }
    }
}

// MARK: - When all volumes have their snapshots

extension MachineSet {
    /// Takes memory over.
    ///
    /// - Returns: what was done with the VMs.
    func finish() -> [MachineRecord] {
        hasConcluded = true
        goOn()
        if let store, let snapshotID {
            for attempt in attempts {
                attempt.finish { try store.keepState(snapshotID, attempt.settings.name) }
                try? store.dropState(snapshotID, attempt.settings.name)
            }
        }
        return attempts.map(\.record)
    }

    /// What the snapshots of some volumes may be trusted to hold, by the VMs alone.
    var levels: [String: Consistency] {
        attempts.reduce(into: [:]) { levels, attempt in
            for volume in attempt.settings.volumes { levels[volume] = attempt.record.level }
        }
    }

    /// Removes memory of snapshots that are not there any more.
    func sweep() {
        if let volume = volumes.first { try? MachineStates(context).sweep(volume) }
    }

    /// - Throws: `partial` when less was reached than the settings require.
    func requireReached() throws { for attempt in attempts { try attempt.requireReached() } }
}

/// Writes on a snapshot what it may be trusted to hold, in its store and in the catalog.
struct ConsistencyMark {
    private let context: ManagerContext

    init(_ context: ManagerContext) { self.context = context }

    /// To be called while the volume is locked.
    func set(_ level: Consistency, on id: SnapshotID) throws {
        guard let row = try context.catalog.snapshot(id) else { return }
        var labels = row.manifest.labels
        labels.consistency = level
        try context.catalog.beginLabelling(id)
        try context.withSession(try context.volume(row.volume)) { session in
            _ = try session.perform(.label(id, labels))
        }
        try context.catalog.setLabels(id, labels)
    }
}
