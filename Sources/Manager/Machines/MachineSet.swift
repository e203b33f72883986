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
    private let timeline: MachineTimeline
    private let startedAt: Timestamp
    private var snapshotID: SnapshotID?
    private var hasConcluded = false

    /// Nil when no volume is a VM's disk.
    ///
    /// - Throws: the settings' errors; `locked`.
    init?(_ context: ManagerContext, _ volumes: [VolumeRow]) throws {
        let machines = try context.settings.get().machines(using: volumes.map(\.record.name))
        guard !machines.isEmpty else { return nil }
        self.context = context
        self.volumes = volumes
        startedAt = context.clock.now()
        timeline = MachineTimeline()
        let timeline = timeline
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

    /// - Throws: `refused` when less can be had than the settings require.
    func prepare(first id: SnapshotID) throws {
        snapshotID = id
        guard let store else { return }
        for attempt in attempts {
            try attempt.prepare(store, first: id, shares: attempts.count)
        }
    }

    func comeToRest() throws { for attempt in attempts { try attempt.comeToRest() } }

    func onHeld() {
        timeline.note("all volumes are held")
        for attempt in attempts { attempt.onHeld() }
    }

    func onReleased() {
        timeline.note("all volumes have their snapshots and go on")
        goOn()
    }

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
    /// Takes memory over, writes what was done, and raises what the snapshots may be trusted to hold.
    ///
    /// - Throws: `partial` when less was reached than the settings require.
    func conclude(_ report: TakeReport) throws -> TakeReport {
        hasConcluded = true
        goOn()
        guard let store, let snapshotID else { return report }
        for attempt in attempts {
            attempt.finish { try store.keepState(snapshotID, attempt.settings.name) }
            try? store.dropState(snapshotID, attempt.settings.name)
        }
        var record = MachinesRecord(
            snapshotID: snapshotID, setID: report.set, startedAt: startedAt,
            heldMicroseconds: report.heldNanoseconds / 1000, steps: timeline.steps,
            machines: attempts.map(\.record))
        var report = report
        do {
            try store.write(record)
            try raise(&report)
        } catch {
            // The snapshots are there, and say no more than that.
            context.note("what was done with VMs could not be noted: \(Problem(error).message)")
            for index in record.machines.indices { record.machines[index].level = .crash }
        }
        report.machines = record
        if let volume = volumes.first { try? MachineStates(context).sweep(volume) }
        for machine in record.machines { tell(machine) }
        for attempt in attempts { try attempt.requireReached() }
        return report
    }

    private func raise(_ report: inout TakeReport) throws {
        for attempt in attempts where attempt.record.level != .crash {
            for index in report.snapshots.indices
            where attempt.settings.volumes.contains(report.snapshots[index].volume) {
                try ConsistencyMark(context).set(
                    attempt.record.level, on: report.snapshots[index].id)
                report.snapshots[index].manifest.consistency = attempt.record.level
            }
        }
    }

    private func tell(_ machine: MachineRecord) {
        guard let reason = machine.reason else { return }
        context.note(
            "VM \(machine.name): the snapshots are `\(machine.level.rawValue)`: \(reason)")
        try? context.log(
            .warning, .machineFailed,
            "VM \(machine.name): the snapshots are `\(machine.level.rawValue)`: \(reason)")
    }
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
