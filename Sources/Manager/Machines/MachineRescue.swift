internal import Catalog
internal import SnapshotModel
internal import System
internal import VirtualMachines

/// Has VMs go on that a command has left paused or frozen because it was ended.
struct MachineRescue {
    private let context: ManagerContext
    private let marks: MachineMarks

    init(_ context: ManagerContext) {
        self.context = context
        marks = MachineMarks(context.state)
    }

    /// How long a VM's monitor may take, and its agent.
    private static let patienceMilliseconds = 5_000
    private var patience: Deadline { Deadline(milliseconds: Self.patienceMilliseconds) }
    /// States in which QEMU waits for somebody to say that the VM is to go on, because we stopped it.
    private static let ours: Set = ["paused", "postmigrate", "finish-migrate"]

    /// Best effort: whoever calls it has work of its own, and what could not be done is tried again.
    func runQuietly() {
        for name in (try? marks.names()) ?? [] {
            // Who has the lock is at work, and does it itself.
            guard let lock = try? context.acquireLock(at: context.state.lockPath(machine: name))
            else { continue }
            withExtendedLifetime(lock) {
                guard let mark = marks.mark(name) else { return }
                do { try rescue(mark) } catch {
                    context.note(
                        "VM \(name) was left paused or frozen by a command that was ended: "
                            + Problem(error).message)
                }
            }
        }
    }

    /// What is done is not owed any more, whatever becomes of the rest.
    private func rescue(_ owed: MachineMark) throws {
        var (mark, failures) = (owed, [Problem]())
        if mark.isPaused || mark.revertsTo != nil {
            do {
                guard let monitor = try self.monitor(of: mark) else { return try forget(mark) }
                try resume(monitor, mark)
                (mark.isPaused, mark.revertsTo, mark.isTold) = (false, nil, nil)
            } catch { failures.append(Problem(error)) }
        }
        if mark.isFrozen {
            do {
                try thaw(mark)
                mark.isFrozen = false
            } catch {
                // Its agent may come back for as long as QEMU is there.
                let problem = Problem(error)
                if problem.code == .missing, isGone(mark) { return try forget(mark) }
                failures.append(problem)
            }
        }
        if mark != owed { try marks.write(mark) }
        if let failure = failures.first { throw failure }
    }

    /// A VM that does not run is not owed anything, unless it was quit for a revert: nobody knows whether its memory
    /// belongs to its disks.
    private func forget(_ mark: MachineMark) throws {
        guard let reference = mark.revertsTo else { return try marks.remove(mark.name) }
        guard mark.isTold != true else { return }
        say(
            "it was quit for a revert to \(reference) that was cut, and does not run: revert again",
            mark)
        var told = mark
        told.isTold = true
        try marks.write(told)
    }

    /// Nil when nobody listens.
    private func monitor(of mark: MachineMark) throws(Problem) -> MonitorClient? {
        do throws(Problem) {
            return try MonitorClient.connect(
                mark.monitorPath, machine: mark.name, by: patience)
        } catch {
            guard error.code == .missing else { throw error }
            return nil
        }
    }

    private func isGone(_ mark: MachineMark) -> Bool {
        do { return try monitor(of: mark) == nil } catch { return false }
    }

    private func resume(_ monitor: MonitorClient, _ mark: MachineMark) throws {
        let deadline = patience
        let status = try monitor.status(by: deadline)
        guard !status.isRunning else { return }
        guard Self.ours.contains(status.word) else {
            // It may still be started, with memory that is on its way.
            guard mark.revertsTo == nil, status.word != "inmigrate" else {
                throw Problem(.failed, "it is \(status.word), and does not run yet")
            }
            return
        }
        try monitor.resume(by: deadline)
        say("it was left paused, and goes on", mark)
    }

    private func thaw(_ mark: MachineMark) throws {
        guard let path = mark.agentPath else { return }
        let deadline = patience
        let agent = try GuestAgent.connect(path, machine: mark.name, by: deadline)
        try agent.synchronize(token: MachineToken.next(), by: deadline)
        guard try agent.thaw(by: deadline) > 0 else { return }
        say("its filesystems were left frozen, and are thawed", mark)
    }

    private func say(_ text: String, _ mark: MachineMark) {
        context.note("VM \(mark.name): a command ended early: \(text)")
        try? context.log(.warning, .machineResumed, "VM \(mark.name): \(text)")
    }
}

/// Numbers that tell our answers of a guest's agent from those to others.
enum MachineToken {
    /// Agents pass them on as doubles: 53 bits.
    static func next() -> Int64 { Int64.random(in: 1..<1 << 52) }
}
