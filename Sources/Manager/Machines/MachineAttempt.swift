internal import Catalog
internal import Settings
internal import SnapshotModel
internal import StoreFormat
internal import System
internal import VirtualMachines

/// One VM while snapshots of its disks are taken: frozen by its agent, or with its memory, or as it is. What cannot be
/// had lowers the level and is kept as the reason; only what the settings require ends it. Used by one thread.
final class MachineAttempt {
    let settings: MachineSettings
    private(set) var record: MachineRecord
    private let marks: MachineMarks
    private let timeline: MachineTimeline
    private let lock: FileLock
    private var mark: MachineMark
    private var monitor: MonitorClient?
    private var agent: GuestAgent?
    /// Of filesystems that the agent says it has frozen.
    private var frozenCount: Int64?
    private var frozenAt: Int64 = 0
    /// When it was told to go on.
    private var goesOnAt: Int64 = 0
    private var memory: MachineMemory?
    /// Whether QEMU was told to write memory.
    private var isSaving = false
    private var hasStopped = false

    private static let stepMilliseconds = 5_000
    /// While all volumes are held.
    private static let heldMilliseconds = 1_000
    /// A guest of Windows thaws itself then.
    private static let frozenMaximum: Int64 = 10_000_000
    private static let lookMilliseconds = 1
    /// How long another command on the VM is waited for.
    private static let lockMilliseconds = 10_000
    private static let lockRetryMilliseconds = 20

    /// - Throws: `locked` when another command is at work on the VM.
    init(
        _ settings: MachineSettings, _ context: ManagerContext, _ timeline: MachineTimeline
    ) throws {
        let path = context.state.lockPath(machine: settings.name)
        let deadline = Deadline(milliseconds: Self.lockMilliseconds)
        var lock = try context.acquireLock(at: path)
        while lock == nil, !deadline.hasPassed {
            BackgroundThread.sleep(milliseconds: Self.lockRetryMilliseconds)
            lock = try context.acquireLock(at: path)
        }
        guard let lock else {
            throw Problem(
                .locked,
                "VM \(settings.name) is used by another command\(context.holder(ofLock: path))",
                hint: "try again when it has ended; see \(.events)")
        }
        self.settings = settings
        self.lock = lock
        self.timeline = timeline
        marks = MachineMarks(context.state)
        mark = MachineMark(settings)
        record = MachineRecord(name: settings.name)
        record.disks = try? settings.volumes.map { try context.volume($0).record.uuid }
    }

    private var name: String { settings.name }
    /// As the timeline has it.
    private var who: String { "VM \(name)" }
    private var step: Deadline { Deadline(milliseconds: Self.stepMilliseconds) }
    private var stateDeadline: Deadline { Deadline(milliseconds: settings.stateMilliseconds) }

    /// Whether it is with its memory, as far as is known.
    var savesState: Bool { memory != nil }

    /// Keeps why less was reached.
    private func lower(_ problem: Problem) {
        if record.reason == nil { record.reason = problem.message }
    }

    /// - Throws: `refused` when the settings require more than what can be had now.
    private func require(_ level: Consistency) throws {
        guard settings.required.rank > level.rank else { return }
        throw Problem(
            .refused,
            "VM \(name) requires `\(settings.required.rawValue)`, which cannot be had: "
                + (record.reason ?? "nothing in its settings gives it"),
            hint: "mend that, or lower require in [vm.\(name)]")
    }

    private func mark(_ change: (inout MachineMark) -> Void) throws {
        var changed = mark
        change(&changed)
        guard changed != mark else { return }
        try marks.write(changed)
        mark = changed
    }
}

// MARK: - Before

extension MachineAttempt {
    /// Finds out what can be had, while everything runs. Memory that goes out live does so in ``saveLive()``.
    ///
    /// - Parameters:
    ///   - store: gets its memory.
    ///   - id: the first snapshot of the set.
    ///   - shares: how many VMs share the room in the store.
    /// - Throws: `refused`.
    func prepare(_ store: Store, first id: SnapshotID, shares: Int = 1) throws {
        do {
            let monitor = try MonitorClient.connect(
                settings.monitorPath, machine: name, by: step)
            self.monitor = monitor
            let status = try monitor.status(by: step)
            guard status.isRunning else {
                throw Problem(.failed, "VM \(name) is \(status.word), and was left so")
            }
            if settings.savesState {
                try prepareMemory(monitor, store, id, shares)
            } else {
                try prepareAgent()
            }
        } catch {
            drop(Problem(error))
        }
        try requirePossible()
    }

    /// - Throws: `refused`.
    private func requirePossible() throws {
        try require(memory != nil ? .vm : agent != nil ? .fs : .crash)
    }

    /// Goes on without.
    private func drop(_ problem: Problem) {
        lower(problem)
        (agent, memory, record.method) = (nil, nil, nil)
    }

    private func prepareAgent() throws {
        guard let path = settings.agentPath else {
            record.reason = "it has no guest agent in its settings"
            return
        }
        let deadline = Deadline(milliseconds: settings.freezeMilliseconds)
        let agent = try GuestAgent.connect(path, machine: name, by: deadline)
        try agent.synchronize(token: MachineToken.next(), by: deadline)
        self.agent = agent
    }

    private func prepareMemory(
        _ monitor: MonitorClient, _ store: Store, _ id: SnapshotID, _ shares: Int
    ) throws {
        do throws(Problem) {
            try monitor.prepareSaving(.background, by: step)
            record.method = MemoryMethod.background.rawValue
        } catch {
            guard error.code == .failed else { throw error }
            try monitor.prepareSaving(.live, by: step)
            record.method = MemoryMethod.live.rawValue
        }
        memory = try MachineMemory(
            of: name, into: store, id, patienceMilliseconds: settings.stateMilliseconds,
            shares: shares)
    }

    /// For how long its memory goes out while the VM runs, at most, in seconds; nil when it does not go out so. From its
    /// end on the VM stands still.
    var liveSeconds: Double? {
        guard memory != nil, record.method == MemoryMethod.live.rawValue else { return nil }
        return Double(settings.stateMilliseconds) / 1000
    }

    /// Has memory go out that is to go out live. The VM stands still when it returns, and goes on in ``goOn()``.
    ///
    /// - Throws: `refused` when that fails and the settings require it.
    func saveLive() throws {
        guard let monitor, let memory, liveSeconds != nil else { return }
        do { try saveLive(monitor, memory) } catch { drop(Problem(error)) }
        try requirePossible()
    }

    private func saveLive(_ monitor: MonitorClient, _ memory: MachineMemory) throws {
        try mark { $0.isPaused = true }
        monitor.forgetEvents()
        hasStopped = true
        let began = timeline.note("memory of \(name) goes out while it runs")
        do {
            try monitor.beginSaving(to: memory.writer, by: step)
            isSaving = true
            memory.handedOver()
            try monitor.waitForMigration(by: stateDeadline)
            timeline.note(
                "memory of \(name) is out, and it stands still", of: who, .prepare, since: began)
        } catch {
            giveUpSaving(monitor, Problem(error))
            resume(monitor)
        }
    }
}

// MARK: - At rest

extension MachineAttempt {
    /// The moment before the volumes are held: freezes its filesystems, or stops it.
    ///
    /// - Throws: `refused` when that fails and the settings require it.
    func comeToRest() throws {
        if agent != nil { try freeze() }
        if memory != nil, !hasStopped { try pause() }
    }

    private func freeze() throws {
        guard let agent else { return }
        try mark { $0.isFrozen = true }
        frozenAt = timeline.note("freeze of \(name) begins")
        do {
            frozenCount = try agent.freeze(
                by: Deadline(milliseconds: settings.freezeMilliseconds))
            timeline.note(
                "\(frozenCount ?? 0) filesystems of \(name) are frozen", of: who, .freeze,
                since: frozenAt)
            guard frozenCount == 0 else { return }
            throw Problem(.failed, "the guest of VM \(name) has frozen no filesystem")
        } catch {
            lower(Problem(error))
            // It may come to it later than we wait.
            thaw()
            // What is still owed is tried again.
            if !mark.isFrozen { self.agent = nil }
            try require(.crash)
        }
    }

    private func pause() throws {
        guard let monitor else { return }
        try mark { $0.isPaused = true }
        monitor.forgetEvents()
        hasStopped = true
        do {
            let began = timeline.microseconds
            try monitor.pause(by: step)
            timeline.note("\(name) stands still", of: who, .freeze, since: began)
        } catch {
            giveUpSaving(monitor, Problem(error))
            resume(monitor)
            try require(.crash)
        }
    }

    /// While all its volumes are held: what it writes from now on waits there, so that it may run again as soon as QEMU
    /// has what its processors and devices are.
    func onHeld() {
        guard let monitor, let memory, hasStopped else { return }
        // The volumes keep all I/O waiting.
        let deadline = Deadline(milliseconds: Self.heldMilliseconds)
        do {
            let status = try monitor.status(by: deadline)
            guard !status.isRunning, monitor.lastEvent("RESUME") == nil else {
                throw Problem(
                    .failed, "somebody had VM \(name) go on before its volumes were held")
            }
            guard !isSaving else { return }
            try monitor.beginSaving(to: memory.writer, by: deadline)
            isSaving = true
            memory.handedOver()
            timeline.note("memory of \(name) begins to go out")
        } catch { giveUpSaving(monitor, Problem(error), by: deadline) }
    }

    private func giveUpSaving(
        _ monitor: MonitorClient, _ problem: Problem, by deadline: Deadline? = nil
    ) {
        // QEMU only knows that nobody reads any more.
        lower(memory?.problem ?? problem)
        if isSaving { try? monitor.cancelSaving(by: deadline ?? step) }
        isSaving = false
        memory?.abandon()
        (memory, record.method) = (nil, nil)
    }

    /// Drops its memory, as there is no snapshot to which it belongs.
    func abandon() {
        guard let monitor, memory != nil else { return }
        giveUpSaving(monitor, Problem(.failed, "there is no snapshot of its disks"))
    }
}

// MARK: - After

extension MachineAttempt {
    /// All volumes have their snapshots, or none will: it goes on. May be called again.
    func goOn() {
        goesOnAt = timeline.microseconds
        if mark.isFrozen { thaw() }
        if let monitor, hasStopped, mark.isPaused {
            if isSaving, record.method == MemoryMethod.background.rawValue {
                awaitOwnResume(monitor)
            } else {
                resume(monitor)
            }
        }
    }

    /// It is thawed in any case; whether as many as were frozen tells whether they were so all the while.
    private func thaw() {
        do {
            let deadline = Deadline(milliseconds: settings.freezeMilliseconds)
            guard let agent else { return }
            // What it may still have to say of the freeze is dropped.
            if frozenCount == nil {
                try agent.synchronize(token: MachineToken.next(), by: deadline)
            }
            let began = timeline.microseconds
            let count = try agent.thaw(by: deadline)
            let frozen = timeline.note(
                "\(count) filesystems of \(name) are thawed", of: who, .thaw, since: began
            ).subtractingClamped(frozenAt)
            record.frozenMicroseconds = frozen
            try mark { $0.isFrozen = false }
            guard let frozenCount, frozenCount > 0 else { return }
            guard count == frozenCount else {
                throw Problem(
                    .failed,
                    "the guest of VM \(name) froze \(frozenCount) filesystems and thawed \(count): "
                        + "somebody thawed it in between")
            }
            guard frozen < Self.frozenMaximum else {
                throw Problem(.failed, "VM \(name) was to be frozen for more than 10 s")
            }
            record.level = .fs
        } catch {
            lower(Problem(error))
            // Whatever it has still to say, it may do that.
            if mark.isFrozen { try? agent?.requestThaw(by: step) }
        }
    }

    private func resume(_ monitor: MonitorClient) {
        do {
            let deadline = step
            while try !monitor.status(by: deadline).isRunning {
                // QEMU may refuse it for as long as it ends a migration.
                do throws(Problem) { try monitor.resume(by: deadline) } catch {
                    guard error.code == .failed, !deadline.hasPassed else { throw error }
                }
                BackgroundThread.sleep(milliseconds: Self.lookMilliseconds)
            }
            try noteRunning(monitor, deadline)
        } catch { lower(Problem(error)) }
    }

    /// QEMU resumes it by itself once it has what it needs. To resume it before would save another moment.
    private func awaitOwnResume(_ monitor: MonitorClient) {
        let deadline = step
        do {
            while try !monitor.status(by: deadline).isRunning {
                if case .failed(let reason) = try monitor.migrationState(by: deadline) {
                    throw Problem(
                        .failed, "QEMU gave up to save the memory of VM \(name): \(reason)")
                }
                BackgroundThread.sleep(milliseconds: Self.lookMilliseconds)
            }
            try noteRunning(monitor, deadline)
        } catch {
            giveUpSaving(monitor, Problem(error))
            resume(monitor)
        }
    }

    private func noteRunning(_ monitor: MonitorClient, _ deadline: Deadline) throws {
        // What it told of itself comes at the latest with an answer.
        _ = try monitor.status(by: deadline)
        timeline.note("\(name) runs again", of: who, .thaw, since: goesOnAt)
        try mark { $0.isPaused = false }
        guard let stop = monitor.lastEvent("STOP"), let run = monitor.lastEvent("RESUME") else {
            return
        }
        record.downtimeMicroseconds = max(
            0, run.microseconds.subtractingClamped(stop.microseconds))
    }

    /// Waits until all of its memory is in the store.
    ///
    /// - Parameter keep: has the file count.
    func finish(keep: () throws -> Void) {
        defer { withExtendedLifetime(lock) {} }
        guard let monitor, let memory, isSaving else { return }
        do {
            try monitor.waitForMigration(by: stateDeadline)
            let state = try memory.finish()
            try keep()
            record.state = state
            record.level = .vm
            timeline.note("memory of \(name) is in the store")
        } catch {
            giveUpSaving(monitor, Problem(error))
            if mark.isPaused { resume(monitor) }
        }
        self.memory = nil
        isSaving = false
    }

    /// What was reached is less than the settings require, though the snapshots are taken.
    func requireReached() throws {
        do { try require(record.level) } catch {
            var problem = Problem(error)
            problem.code = .partial
            throw problem
        }
    }
}

extension Consistency {
    /// The higher, the more one may trust.
    var rank: Int {
        switch self {
        case .crash: 0
        case .fs: 1
        case .app: 2
        case .vm: 3
        }
    }
}
