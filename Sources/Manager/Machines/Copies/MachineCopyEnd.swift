internal import Catalog
internal import Glibc
internal import SnapshotModel
internal import System
internal import VirtualMachines

/// Takes a copy of a VM back, with all that was made of it, however far that came.
struct MachineCopyEnd {
    private let context: ManagerContext
    private let copies: MachineCopies
    private let record: MachineCopyRecord

    init(_ context: ManagerContext, _ record: MachineCopyRecord) {
        self.context = context
        self.record = record
        copies = MachineCopies(context)
    }

    private static let stepMilliseconds = 5_000
    private static let quitMilliseconds = 15_000
    private static let lookMilliseconds = 20

    /// - Throws: what keeps a part of it; the same again goes on from there.
    func run() throws {
        endByMonitor()
        try endProcesses()
        for disk in record.disks { try deleteClone(disk) }
        try copies.forget(record)
        try? context.log(
            .machineCloneEnded, "\(record.name), a copy of VM \(record.machine), was ended")
    }

    /// Of what does not listen, or does not hear, the processes are ended.
    private func endByMonitor() {
        let deadline = Deadline(milliseconds: Self.stepMilliseconds)
        guard
            let monitor = try? MachineStart.monitor(
                of: record.name, at: record.monitorPath, by: deadline),
            (try? monitor.quit(by: deadline)) != nil
        else { return }
        _ = monitor.waitForEnd(by: Deadline(milliseconds: Self.quitMilliseconds))
    }

    /// Its QEMU, and whatever its program has started and left: one that was about to become a QEMU, too.
    private func endProcesses() throws {
        let deadline = Deadline(milliseconds: Self.stepMilliseconds)
        let log = try copies.logPath(record)
        if let process = record.process, process.isRunning {
            process.send(SIGKILL)
        }
        while true {
            let left = DetachedProgram.writers(logPath: log)
            for process in left { process.send(SIGKILL) }
            let isRunning = record.process?.isRunning == true
            if left.isEmpty, !isRunning { return }
            guard !deadline.hasPassed else {
                throw Problem(
                    .failed, "the QEMU of \(record.name) does not end",
                    hint: "end it yourself, then run \(.machineStop(record.name))")
            }
            BackgroundThread.sleep(milliseconds: Self.lookMilliseconds)
        }
    }

    /// A server sees a little later than we do that its client has gone.
    private func deleteClone(_ disk: MachineCopyRecord.Disk) throws {
        // A volume that was removed has taken its clones with it.
        guard try context.catalog.volume(named: disk.volume) != nil else { return }
        let service = CloneService(context: context)
        let deadline = Deadline(milliseconds: Self.stepMilliseconds)
        while true {
            // What a command that was ended has left of it is found by a look.
            try Reconciler(context).tidy([disk.volume])
            // A volume's name may be a set's, too: it is not to be asked by that.
            let clone = try context.catalog.clones(named: disk.clone)
                .first { $0.volume == disk.volume }
            // One that somebody else has made since is his.
            guard let clone, clone.record.snapshotID == disk.snapshot else { return }
            do {
                _ = try service.delete("\(disk.volume)@\(disk.clone)", isDryRun: false)
                return
            } catch {
                guard Problem(error).code == .refused, !deadline.hasPassed else { throw error }
            }
            BackgroundThread.sleep(milliseconds: Self.lookMilliseconds)
        }
    }
}
