internal import Catalog
internal import Hooks
internal import SnapshotModel
internal import StoreFormat
internal import System

/// All that comes to rest while snapshots are taken: programs first, then what hooks put at rest, which these may need
/// for it, then VMs, then the volumes; they go on in reverse. Where a VM's memory goes out live, hooks come before that,
/// and so before programs. The calls come in the order in which they stand here, from one thread.
final class RestingSet {
    private let context: ManagerContext
    private let volumes: [VolumeRow]
    private let hooked: HookedOperation
    private let machines: MachineSet?
    private let participants: ParticipantSet?
    private let timeline = MachineTimeline()
    private let startedAt: Timestamp
    private var hooks: HookMoments?
    /// Whether their turn to come to rest has come.
    private var areHooksAtRest = false
    /// By the volumes.
    private var snapshotIDs: [String: SnapshotID] = [:]
    private var snapshotID: SnapshotID?
    /// When the volumes were told to hold, and to commit.
    private var (heldAt, committedAt): (Int64, Int64) = (0, 0)
    /// When the program of a hook began that runs now, as they run one after the other.
    private var hookBegan: Int64 = 0

    private static let volumesName = "volumes"

    /// Nil when there is nobody who comes to rest, or only hears of it.
    ///
    /// - Throws: the settings' errors; `locked`.
    init?(
        _ context: ManagerContext, _ volumes: [VolumeRow], _ hooked: HookedOperation
    ) throws {
        self.context = context
        self.volumes = volumes
        self.hooked = hooked
        startedAt = context.clock.now()
        machines = try MachineSet(context, volumes, timeline)
        participants = try ParticipantSet(
            context, volumes, timeline, coveredByHooks: hooked.applicationVolumes)
        guard machines != nil || participants != nil || !hooked.isBare else { return nil }
    }

    /// Whether nobody comes to rest.
    var isIdle: Bool { machines == nil && participants?.isIdle != false && hooked.isBare }

    /// Programs do what takes long, before hooks and VMs put anything at rest that they may need: a filesystem that is
    /// frozen, or a VM whose memory goes out by a migration, which stands still from then on.
    ///
    /// - Parameter hooks: nil when there are none.
    /// - Throws: `refused` when less can be had than the settings require; the failure of a hook.
    func preparePrograms(_ hooks: HookMoments?) throws {
        self.hooks = hooks
        try participants?.prepare()
        hookBegan = timeline.microseconds
        try hooks?.prepare()
    }

    /// - Parameter requests: those of the volumes, in their order.
    /// - Throws: `refused`, likewise.
    func prepare(_ requests: [SnapshotRequest]) throws {
        for (volume, request) in zip(volumes, requests) {
            snapshotIDs[volume.record.name] = request.id
        }
        snapshotID = requests.first?.id
        guard let snapshotID else { return }
        // Hooks may need the guest, or take long, for which it need not stand still.
        try machines?.prepare(first: snapshotID) { try restHooks(addedSeconds: $0) }
    }

    /// - Parameter addedSeconds: what else is done while they are at rest.
    /// - Throws: the failure of a hook.
    private func restHooks(addedSeconds: Double = 0) throws {
        guard !areHooksAtRest else { return }
        areHooksAtRest = true
        hookBegan = timeline.microseconds
        try hooks?.comeToRest(addedSeconds: addedSeconds)
    }

    /// - Throws: `refused`, likewise; the failure of a hook.
    func comeToRest() throws {
        try participants?.freeze()
        try restHooks()
        try machines?.comeToRest()
        heldAt = timeline.microseconds
    }

    /// - Throws: `failed` when the hooks were undone already.
    func onHeld() throws {
        timeline.note("all volumes are held", of: Self.volumesName, .freeze, since: heldAt)
        machines?.onHeld()
        try hooks?.confirm()
        committedAt = timeline.microseconds
    }

    func onReleased() {
        timeline.note(
            "all volumes have their snapshots and go on", of: Self.volumesName, .thaw,
            since: committedAt)
        machines?.goOn()
        hookBegan = timeline.microseconds
        hooks?.goOn(HookFacts(snapshots: snapshotIDs))
        participants?.thaw(succeeded: true)
    }

    /// There will be no snapshots: all go on.
    func giveUp(_ problem: Problem) {
        machines?.goOn()
        hooks?.giveUp(problem)
        participants?.thaw(succeeded: false)
    }

    /// What failed leaves nothing behind. May be called whatever has happened.
    func undo() {
        participants?.thaw(succeeded: false)
        machines?.undo()
        hooks = nil
    }

    /// Takes note of a hook's program that has ended.
    func note(_ run: HookRun) {
        let phase: MachineStep.Phase =
            switch run.event {
            case .prepare: .prepare
            case .beforeFreeze: .freeze
            default: .thaw
            }
        let owner = run.volume.map { " (\($0))" } ?? ""
        let words =
            run.hasFailed ? run.problem.message : "\(run.event.rawValue) of \(run.hook) is done"
        hookBegan = timeline.note(
            words, of: "hook \(run.hook)\(owner)", phase, since: hookBegan)
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
                heldMicroseconds: report.heldNanoseconds / 1000,
                steps: timeline.steps.sorted { $0.atMicroseconds < $1.atMicroseconds },
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
            let levels = [machineLevels[volume] ?? .crash, programLevel(volume)]
            guard let level = levels.max(by: { $0.rank < $1.rank }), level != .crash else {
                continue
            }
            try ConsistencyMark(context).set(level, on: report.snapshots[index].id)
            report.snapshots[index].manifest.consistency = level
        }
    }

    /// By the programs that write to it, and the hooks: none of them may have failed.
    private func programLevel(_ volume: String) -> Consistency {
        let own = participants?.level(volume)
        guard own != .crash else { return .crash }
        do throws(Problem) {
            let levels = [own, try hooks?.consistency(of: volume)].compactMap(\.self)
            return levels.max { $0.rank < $1.rank } ?? .crash
        } catch { return .crash }
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
