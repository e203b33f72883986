internal import Catalog
internal import Glibc
internal import Settings
internal import SnapshotModel
internal import System
internal import VirtualMachines
internal import VolumeAccess

/// Makes a copy of a VM: clones of its disks, and a QEMU of its own that has them. Used by one thread.
final class MachineCopyMaking {
    private let context: ManagerContext
    private let copies: MachineCopies
    private let plan: MachineCopyPlan
    private let timeline = MachineTimeline()
    private var record: MachineCopyRecord
    /// Of its disks, by their volumes.
    private var addresses: [String: String] = [:]

    private static let stepMilliseconds = 5_000
    private var step: Deadline { Deadline(milliseconds: Self.stepMilliseconds) }

    /// Writes what is to be made; nothing else is there yet.
    init(_ context: ManagerContext, _ plan: MachineCopyPlan) throws {
        self.context = context
        self.plan = plan
        copies = MachineCopies(context)
        record = try copies.begin(plan)
    }

    /// Makes it. When that fails nothing of it is left.
    func run() throws -> MachineCopyReport {
        do {
            for index in record.disks.indices { try makeClone(index) }
            for disk in record.disks where addresses[disk.volume] == nil {
                addresses[disk.volume] = try serve(disk)
            }
            try start()
            record.isWhole = true
            try copies.write(record)
        } catch {
            throw takenBack(Problem(error))
        }
        try? context.log(
            .machineCloned, "\(record.name), a copy of VM \(record.machine), was started")
        var report = MachineCopyReport(record, .answers("running"), addresses: addresses)
        report.steps = timeline.steps.map(\.text)
        return report
    }

    private func takenBack(_ failure: Problem) -> Problem {
        var failure = failure
        do { try MachineCopyEnd(context, record).run() } catch {
            failure.message += "; what was made of it is not all gone: \(Problem(error).message)"
            failure.hint = "mend that, then run \(.machineStop(record.name))"
        }
        return failure
    }

    // MARK: Disks

    private func makeClone(_ index: Int) throws {
        try context.end.check()
        let disk = record.disks[index]
        do {
            let made = try CloneService(context: context).create(
                "\(disk.snapshot)", name: disk.clone, isDryRun: false)
            addresses[disk.volume] = made.clone?.devicePath
        } catch {
            // Somebody else's clone is not taken back with ours.
            if Problem(error).code == .exists {
                record.disks.remove(at: index)
                try copies.write(record)
            }
            throw error
        }
        timeline.note("clone \(disk.clone) of snapshot \(disk.snapshot) of \(disk.volume) is made")
    }

    /// Where QEMU finds a clone that is served: by whoever serves its volume, or by a server that ends with the copy.
    private func serve(_ disk: MachineCopyRecord.Disk) throws -> String {
        let volume = try context.volume(disk.volume)
        guard context.devices(of: volume) == nil else {
            throw Problem(
                .refused, "volume \(disk.volume) is not active, so that its clones have no devices",
                hint: "run \(.activate(disk.volume)), then try again")
        }
        let place = try ImageMounts(context).locked {
            try MountServer(context).require(volume, environment: context.environment)
        }
        return NBDAddress.uri(export: disk.clone, socket: place.socket)
    }

    // MARK: The VM

    private func start() throws {
        try context.end.check()
        let words = MachineCopyWords(
            name: record.name, monitorPath: record.monitorPath, hasNetwork: record.hasNetwork,
            disks: addresses)
        guard
            let arguments = plan.settings.copyArguments(words, awaitsState: plan.memory != nil)
        else { return }
        let start = MachineStart(
            name: record.name, monitorPath: record.monitorPath, settings: plan.settings,
            timeline: timeline, check: { [end = context.end] () throws(Problem) in try end.check() }
        )
        try start.run(
            arguments, logPath: try copies.logPath(record), memory: try plan.memory?.reader(),
            onReached: { monitor in
                try noteProcess(of: monitor)
                // It is not to run before its network is seen to, with memory or without.
                try monitor.pause(by: step)
                // It tells as soon as its memory is in, before a cable can be pulled: memory brings these plugged.
                if !record.hasNetwork, plan.memory != nil { try monitor.beSilent(by: step) }
            },
            onLoaded: { monitor in
                try context.end.check()
                if !record.hasNetwork { try unplug(monitor) }
            })
        timeline.note("\(record.name) runs")
    }

    private func unplug(_ monitor: MonitorClient) throws {
        let cards = try monitor.networkCards(by: step)
        for card in cards { try monitor.unplug(card, by: step) }
        guard !cards.isEmpty else { return }
        timeline.note("\(cards.joined(separator: ", ")) of \(record.name) unplugged")
    }

    /// Only a process that was given this socket by its path is taken for its QEMU.
    private func noteProcess(of monitor: MonitorClient) throws {
        guard let id = monitor.peerProcess, let process = ProcessIdentity(id: id),
            process.mentions(record.monitorPath)
        else { return }
        record.process = process
        try copies.write(record)
    }
}
