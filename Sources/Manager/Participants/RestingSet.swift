internal import Catalog
internal import SnapshotModel
internal import StoreFormat
internal import System

/// All that comes to rest while snapshots are taken: programs first, then VMs; they go on in reverse. The calls come in
/// the order in which they stand here, from one thread.
final class RestingSet {
    private let context: ManagerContext
    private let volumes: [VolumeRow]
    private let machines: MachineSet?
    private let participants: ParticipantSet?
    private let timeline = MachineTimeline()
    private let startedAt: Timestamp
    private var snapshotID: SnapshotID?

    /// Nil when there is nobody who comes to rest, or only hears of it.
    ///
    /// - Throws: the settings' errors; `locked`.
    init?(_ context: ManagerContext, _ volumes: [VolumeRow]) throws {
        self.context = context
        self.volumes = volumes
        startedAt = context.clock.now()
        machines = try MachineSet(context, volumes, timeline)
        participants = try ParticipantSet(context, volumes, timeline)
        guard machines != nil || participants != nil else { return nil }
    }

    /// Whether nobody comes to rest.
    var isIdle: Bool { machines == nil && participants?.isIdle != false }

    /// Programs do what takes long, before hooks and VMs put anything at rest that they may need: a filesystem that is
    /// frozen, or a VM whose memory goes out by a migration, which stands still from then on.
    ///
    /// - Throws: `refused` when less can be had than the settings require.
    func preparePrograms() throws { try participants?.prepare() }

    /// - Throws: `refused`, likewise.
    func prepare(first id: SnapshotID) throws {
        snapshotID = id
        try machines?.prepare(first: id)
    }

    /// - Throws: `refused`, likewise.
    func comeToRest() throws {
        try participants?.freeze()
        try machines?.comeToRest()
    }

    func onHeld() {
        timeline.note("all volumes are held")
        machines?.onHeld()
    }

    func onReleased() {
        timeline.note("all volumes have their snapshots and go on")
        machines?.goOn()
        participants?.thaw(succeeded: true)
    }

    /// There will be no snapshots: all go on.
    func giveUp() {
        machines?.goOn()
        participants?.thaw(succeeded: false)
    }

    /// What failed leaves nothing behind. May be called whatever has happened.
    func undo() {
        participants?.thaw(succeeded: false)
        machines?.undo()
    }
}

// MARK: - When all volumes have their snapshots

extension RestingSet {
    /// Writes what was done, and raises what the snapshots may be trusted to hold.
    ///
    /// - Throws: `partial` when less was reached than the settings require.
    func conclude(_ report: TakeReport) throws -> TakeReport {
        participants?.thaw(succeeded: true)
        let machineRecords = machines?.finish() ?? []
        guard let snapshotID, !report.snapshots.isEmpty else { return report }
        var report = report
        if !isIdle {
            var record = MachinesRecord(
                snapshotID: snapshotID, setID: report.set, startedAt: startedAt,
                heldMicroseconds: report.heldNanoseconds / 1000, steps: timeline.steps,
                machines: machineRecords)
            record.participants = participants?.records
            keep(&record, &report)
            report.machines = record
            machines?.sweep()
            for machine in record.machines { tell(machine) }
            for participant in record.participants ?? [] { tell(participant) }
        }
        participants?.conclude(report)
        try machines?.requireReached()
        try participants?.requireReached(report)
        return report
    }

    private func keep(_ record: inout MachinesRecord, _ report: inout TakeReport) {
        guard let volume = volumes.first else { return }
        do {
            try Store(folder: FileFolder(path: volume.storePath)).write(record)
            try raise(&report)
        } catch {
            // The snapshots are there, and say no more than that.
            context.note("what came to rest could not be noted: \(Problem(error).message)")
            for index in record.machines.indices { record.machines[index].level = .crash }
        }
    }

    private func raise(_ report: inout TakeReport) throws {
        let machineLevels = machines?.levels ?? [:]
        for index in report.snapshots.indices {
            let volume = report.snapshots[index].volume
            var level = machineLevels[volume] ?? .crash
            if participants?.reachesApplications(volume) == true, level.rank < Consistency.app.rank
            {
                level = .app
            }
            guard level != .crash else { continue }
            try ConsistencyMark(context).set(level, on: report.snapshots[index].id)
            report.snapshots[index].manifest.consistency = level
        }
    }

    private func tell(_ machine: MachineRecord) {
        guard let reason = machine.reason else { return }
        let text = "VM \(machine.name): the snapshots are `\(machine.level.rawValue)`: \(reason)"
        context.note(text)
        try? context.log(.warning, .machineFailed, text)
    }

    private func tell(_ participant: ParticipantRecord) {
        guard let reason = participant.reason else { return }
        let text = "the snapshots are not consistent with \(participant.who): \(reason)"
        context.note(text)
        try? context.log(.warning, .participantFailed, text)
    }
}
