internal import Catalog
internal import Glibc
internal import Settings
internal import SnapshotModel
internal import StoreFormat
internal import System
internal import VirtualMachines
internal import VolumeAccess

/// A VM that goes back with its disks: it is quit, they are reverted, and it is started with the memory of that moment,
/// or afresh. Used by one thread.
final class MachineRevert {
    let settings: MachineSettings
    private let context: ManagerContext
    private let rows: [SnapshotRow]
    private let reference: String
    /// The target's memory; nil when it was taken without.
    private let target: SavedMemory?
    private let lock: FileLock
    private let marks: MachineMarks
    private var mark: MachineMark
    /// Nil when it does not run.
    private var monitor: MonitorClient?
    private let timeline: MachineTimeline
    private let startedAt: Timestamp
    /// What it leaves, once it is in the store.
    private var left: StoredMachineState?
    private var wasToldToQuit = false

    private static let stepMilliseconds = 5_000
    private static let quitMilliseconds = 15_000
    private static let lookMilliseconds = 5

    /// - Parameters:
    ///   - rows: the snapshots that are reverted to, of all of its disks among others.
    ///   - reference: names them in messages.
    /// - Throws: `locked`; `corrupt` when the memory that belongs to them is damaged.
    init(
        _ settings: MachineSettings, _ context: ManagerContext, _ rows: [SnapshotRow],
        reference: String
    ) throws {
        let path = context.state.lockPath(machine: settings.name)
        guard let lock = try context.acquireLock(at: path) else {
            throw Problem(
                .locked,
                "VM \(settings.name) is used by another command\(context.holder(ofLock: path))",
                hint: "try again when it has ended; see \(.events)")
        }
        self.lock = lock
        self.settings = settings
        self.context = context
        self.rows = rows
        self.reference = reference
        marks = MachineMarks(context.state)
        mark = MachineMark(settings)
        timeline = MachineTimeline()
        startedAt = context.clock.now()
        target = try SavedMemory(of: settings, context, with: rows)
        monitor = try MachineStart.monitor(
            of: settings.name, at: settings.monitorPath,
            by: Deadline(milliseconds: Self.stepMilliseconds))
    }

    private var name: String { settings.name }
    private var step: Deadline { Deadline(milliseconds: Self.stepMilliseconds) }
    private var stateDeadline: Deadline { Deadline(milliseconds: settings.stateMilliseconds) }

    /// Whether there is anything to do for it: one that does not run, and has no memory to go back to, stays as it is.
    var isConcerned: Bool { monitor != nil || (target != nil && settings.start != nil) }

    /// - Throws: `refused` when it could not be started again.
    func requireStart() throws {
        guard let start = settings.start, let program = start.first else {
            guard monitor != nil else { return }
            throw Problem(
                .refused,
                "VM \(name) runs, and nothing in the settings says what starts it again",
                hint: "add start to [vm.\(name)], or stop it yourself, then try again")
        }
        try MachineTrust.require(start.first, of: name)
        guard access(program, X_OK) == 0 else {
            throw Problem(
                .refused, "VM \(name) could not be started again: \(program) cannot be run",
                hint: "mend start in [vm.\(name)], then try again")
        }
        guard target == nil || start.contains(MachineSettings.incomingWord) else {
            throw Problem(
                .refused,
                "VM \(name) could not get its memory back: its start has no "
                    + MachineSettings.incomingWord,
                hint: "add that to start in [vm.\(name)], then try again")
        }
    }

    /// What is done, in its order, as people read it.
    func steps(keepsState: Bool) -> [String] {
        var steps: [String] = []
        if monitor != nil {
            if keepsState { steps.append("save the memory of VM \(name) for the way back") }
            steps.append("quit VM \(name), without a shutdown")
        }
        steps.append("revert \(settings.volumes.joined(separator: ", "))")
        let memory = target.map {
            " with its memory of \(TimeText.describe($0.savedAt, in: context.timeZone))"
        }
        steps.append("start VM \(name)" + (memory ?? " afresh: no memory was saved with the set"))
        return steps
    }
}

// MARK: - Leaving

extension MachineRevert {
    /// Saves its memory when it is to be saved, and quits it. When it throws, the VM goes on.
    func leave(keepsState: Bool) throws {
        guard let monitor else { return }
        mark.isPaused = true
        mark.revertsTo = reference
        try marks.write(mark)
        do {
            try monitor.pause(by: step)
            timeline.note("\(name) stands still")
            if keepsState, settings.savesState { try saveMemory(monitor) }
            // The last moment at which it can go on as if nothing had been.
            try context.end.check()
        } catch {
            throw stay(monitor, Problem(error))
        }
        wasToldToQuit = true
        try monitor.quit(by: step)
        guard monitor.waitForEnd(by: Deadline(milliseconds: Self.quitMilliseconds)) else {
            throw Problem(
                .failed, "VM \(name) was told to quit, and does not end; nothing was reverted",
                hint: "end it yourself, then try again")
        }
        self.monitor = nil
        timeline.note("\(name) has quit")
        try awaitClosedVolumes()
    }

    /// It is not left: it goes on, or the mark says that it is to.
    private func stay(_ monitor: MonitorClient, _ cause: Problem) -> Problem {
        try? monitor.cancelSaving(by: step)
        try? dropMemory()
        var problem = cause
        if goesOn(monitor) {
            try? marks.remove(name)
            problem.message =
                "VM \(name) cannot be left, and goes on; nothing was reverted: \(problem.message)"
            if problem.code != .interrupted {
                problem.hint =
                    "mend that, or use --no-safety, which saves no memory for the way back"
            }
        } else {
            mark.revertsTo = nil
            try? marks.write(mark)
            problem.message =
                "VM \(name) cannot be left, and is left paused; nothing was reverted: "
                + problem.message
            problem.hint = "the next tick has it go on as soon as its monitor answers"
        }
        return problem
    }

    /// QEMU may refuse it for as long as it ends a migration.
    ///
    /// - Returns: whether it runs.
    private func goesOn(_ monitor: MonitorClient) -> Bool {
        let deadline = step
        while !deadline.hasPassed {
            if let status = try? monitor.status(by: deadline), status.isRunning { return true }
            try? monitor.resume(by: deadline)
            BackgroundThread.sleep(milliseconds: Self.lookMilliseconds)
        }
        return (try? monitor.status(by: Deadline(milliseconds: 1)))?.isRunning == true
    }

    /// Until it is known what the snapshot of what is left is called, the memory has the target's number.
    private func saveMemory(_ monitor: MonitorClient) throws {
        guard let row = firstRow else { return }
        let store = try store(of: row)
        try monitor.prepareSaving(.live, by: step)
        let memory = try MachineMemory(
            of: name, into: store, row.id, patienceMilliseconds: settings.stateMilliseconds)
        do {
            try monitor.beginSaving(to: memory.writer, by: step)
            memory.handedOver()
            try monitor.waitForMigration(by: stateDeadline)
            left = try memory.finish()
            timeline.note("its memory is in the store")
        } catch {
            memory.abandon()
            throw error
        }
    }

    private func dropMemory() throws {
        guard let row = firstRow else { return }
        try store(of: row).dropState(row.id, name)
        left = nil
    }

    /// That of the first volume.
    private var firstRow: SnapshotRow? { rows.min { $0.volume < $1.volume } }

    private func store(of row: SnapshotRow) throws -> Store {
        Store(folder: FileFolder(path: try context.volume(row.volume).storePath))
    }

    /// A server sees a little later than we do that the VM has gone.
    private func awaitClosedVolumes() throws {
        let deadline = step
        for volume in settings.volumes {
            let row = try context.volume(volume)
            while try isOpen(row), !deadline.hasPassed {
                BackgroundThread.sleep(milliseconds: Self.lookMilliseconds)
            }
        }
    }

    private func isOpen(_ volume: VolumeRow) throws -> Bool {
        if try context.inspector(volume).openProblem() != nil { return true }
        return try context.withSession(volume) { try $0.clients() != nil }
    }
}

// MARK: - Coming back

extension MachineRevert {
    /// The disks are reverted: keeps the memory that was left with the snapshot that was taken of them, and starts
    /// the VM.
    ///
    /// - Throws: `partial` when the disks are reverted and the VM does not run.
    func comeBack(_ report: RevertReport) throws -> MachineRevertItem {
        timeline.note("\(settings.volumes.joined(separator: ", ")) read as \(reference)")
        do { try keepMemory(report) } catch {
            context.note("the memory that VM \(name) left is lost: \(Problem(error).message)")
            try? dropMemory()
        }
        do {
            try start(memory: try target?.reader())
        } catch {
            throw Problem(
                .partial,
                "the volumes of VM \(name) read as \(reference), and the VM does not run: "
                    + Problem(error).message,
                hint: undoHint(report))
        }
        try marks.remove(name)
        let usable = timeline.note("\(name) runs")
        try? context.log(
            .machineReverted,
            "VM \(name) was reverted to \(reference)"
                + (target == nil ? ", and started afresh" : ""))
        return MachineRevertItem(
            name: name, withMemory: target != nil, steps: timeline.steps,
            runsAfterMicroseconds: usable, hasLeftMemory: left != nil)
    }

    private func undoHint(_ report: RevertReport) -> Advice {
        guard let safety = report.items.compactMap(\.safety).first else {
            return "see what it says in \(logPath), then start it yourself"
        }
        return
            "see what it says in \(logPath), then start it yourself, or go back with \(.revert(safety))"
    }

    private var logPath: String { (try? marks.logPath(name)) ?? "" }

    /// The revert failed, before its commit or after it: it goes on from where it was left, or comes back, as its
    /// disks say. Memory and disks of two moments would destroy what is on these, so that it is not started when it
    /// is not certain.
    ///
    /// - Parameter report: says which safety snapshots were taken.
    func settle(after failure: Problem, _ fate: DiskFate, _ report: RevertReport) -> Problem {
        guard wasToldToQuit || fate == .reverted else { return failure }
        var failure = failure
        if let problem = endProblem() {
            failure.message += "; " + problem
            return failure
        }
        switch fate {
        case .untouched: goBack(&failure)
        case .reverted:
            do {
                _ = try comeBack(report)
                failure.message +=
                    "; the volumes of VM \(name) read as \(reference) all the same, and it was "
                    + "started" + (target == nil ? " afresh" : " with the memory of then")
            } catch { failure.message += "; \(Problem(error).message)" }
        case .unknown:
            failure.message +=
                "; VM \(name) was quit before that, and is not started: it is not certain what its "
                + "volumes read as" + (left == nil ? "" : ", and the memory that it left is kept")
            failure.hint = "run \(.check()), then revert to \(reference) again, which starts the VM"
        }
        return failure
    }

    /// Waits again for one that was told to quit, and has not ended.
    ///
    /// - Returns: what is to be said of it; nil when it has ended.
    private func endProblem() -> String? {
        guard wasToldToQuit, let monitor else { return nil }
        guard !monitor.waitForEnd(by: Deadline(milliseconds: Self.quitMilliseconds)) else {
            self.monitor = nil
            return nil
        }
        guard goesOn(monitor) else {
            return "VM \(name) was told to quit, and neither ends nor goes on: end it yourself"
        }
        try? marks.remove(name)
        return "VM \(name) was told to quit, did not end, and goes on"
    }

    private func goBack(_ failure: inout Problem) {
        do {
            try start(memory: try leftMemory())
            try? dropMemory()
            try? marks.remove(name)
            failure.message += "; VM \(name) was quit before that, and goes on again"
        } catch {
            failure.message +=
                "; VM \(name) was quit before that, and does not start: \(Problem(error).message)"
        }
    }

    private func leftMemory() throws -> MachineStateReader? {
        guard left != nil, let row = firstRow else { return nil }
        return try MachineStateReader(store(of: row).openState(row.id, name, isDraft: true))
    }

    private func keepMemory(_ report: RevertReport) throws {
        guard let left, let row = firstRow else { return }
        guard let safety = report.items.first(where: { $0.volume == row.volume })?.safety else {
            return try dropMemory()
        }
        let store = try store(of: row)
        try store.keepState(row.id, name, as: safety)
        var machine = MachineRecord(name: name, level: .vm)
        machine.state = left
        machine.method = MemoryMethod.stopped.rawValue
        machine.disks = try settings.volumes.map { try context.volume($0).record.uuid }
        let set = try context.catalog.snapshot(safety)?.setID
        // Other VMs' memory may be there already.
        var record =
            try store.machines(of: safety)
            ?? MachinesRecord(
                snapshotID: safety, setID: set, startedAt: startedAt, steps: timeline.steps)
        record.machines.append(machine)
        try store.write(record)
        for item in report.items where settings.volumes.contains(item.volume) {
            if let id = item.safety { try ConsistencyMark(context).set(.vm, on: id) }
        }
    }

    /// Starts it, and waits until it runs.
    private func start(memory: MachineStateReader?) throws {
        guard let arguments = settings.startArguments(awaitsState: memory != nil) else { return }
        try MachineTrust.require(arguments.first, of: name)
        let start = MachineStart(
            name: name, monitorPath: settings.monitorPath, settings: settings, timeline: timeline)
        try start.run(arguments, logPath: try marks.logPath(name), memory: memory)
    }
}

/// What became of a VM's disks when their revert failed.
enum DiskFate {
    /// All are as they were.
    case untouched
    /// All read as the target: what failed came after that.
    case reverted
    /// They differ, or it could not be found out.
    case unknown
}
