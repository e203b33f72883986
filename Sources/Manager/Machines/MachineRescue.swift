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

    /// How long one VM may take.
    private static let patienceMilliseconds = 5_000
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

    private func rescue(_ mark: MachineMark) throws {
        let deadline = Deadline(milliseconds: Self.patienceMilliseconds)
        do {
            if mark.isPaused { try resume(mark, deadline) }
            if mark.isFrozen { try thaw(mark, deadline) }
        } catch let problem as Problem where problem.code == .missing {
            // A VM that does not run is not owed anything.
            if let reference = mark.revertsTo {
                try say(
                    "it was quit for a revert to \(reference) that was cut, and does not run: revert again",
                    mark)
            }
        }
        try marks.remove(mark.name)
    }

    private func resume(_ mark: MachineMark, _ deadline: Deadline) throws {
        let monitor = try MonitorClient.connect(
            mark.monitorPath, machine: mark.name, by: deadline)
        let status = try monitor.status(by: deadline)
        guard !status.isRunning, Self.ours.contains(status.word) else { return }
        try monitor.resume(by: deadline)
        try say("it was left paused, and goes on", mark)
    }

    private func thaw(_ mark: MachineMark, _ deadline: Deadline) throws {
        guard let path = mark.agentPath else { return }
        let agent = try GuestAgent.connect(path, machine: mark.name, by: deadline)
        try agent.synchronize(token: MachineToken.next(), by: deadline)
        guard try agent.thaw(by: deadline) > 0 else { return }
        try say("its filesystems were left frozen, and are thawed", mark)
    }

    private func say(_ text: String, _ mark: MachineMark) throws {
        context.note("VM \(mark.name): a command ended early: \(text)")
        try? context.log(.warning, .machineResumed, "VM \(mark.name): \(text)")
    }
}

/// Numbers that tell our answers of a guest's agent from those to others.
enum MachineToken {
    /// Agents pass them on as doubles: 53 bits.
    static func next() -> Int64 { Int64.random(in: 1..<1 << 52) }
}
