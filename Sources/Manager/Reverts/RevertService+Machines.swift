internal import Catalog
internal import Settings
package import SnapshotModel

/// A VM that went back with its disks.
package struct MachineRevertItem: Hashable, Sendable {
    package var name: String
    /// Whether it has the memory that was saved with the set; else it was started afresh.
    package var withMemory: Bool
    /// What was done, from its leaving on.
    package var steps: [MachineStep]
    /// From its leaving on until it ran, in microseconds.
    package var runsAfterMicroseconds: Int64
    /// Whether the memory that it left is saved with the safety snapshots.
    package var hasLeftMemory: Bool
}

extension MachineRevertItem: JSONConvertible {
    package var json: JSONValue {
        [
            "name": JSONValue(name), "with_memory": JSONValue(withMemory),
            "runs_after_us": JSONValue(runsAfterMicroseconds),
            "left_memory_saved": JSONValue(hasLeftMemory),
            "timeline": .array(
                steps.map { ["at_us": JSONValue($0.atMicroseconds), "step": JSONValue($0.text)] }),
        ]
    }
}

// VMs around the revert of their disks.
extension RevertService {
    /// The VMs all of whose disks are reverted, as far as there is anything to do for them. Who says that clients do
    /// not matter, or waits until they have gone, sees to them himself.
    ///
    /// - Throws: the settings' errors; `refused` when one could not be started again.
    func machines(
        _ rows: [SnapshotRow], _ options: RevertOptions, _ reference: String
    ) throws -> [MachineRevert] {
        guard !options.overrulesClients, !options.isQueuedWhileOpen, options.clone == nil else {
            return []
        }
        let names = Set(rows.map(\.volume))
        let machines = try context.settings.get().machines(using: names)
            .filter { names.isSuperset(of: $0.volumes) }
            .map { try MachineRevert($0, context, rows, reference: reference) }
            .filter(\.isConcerned)
        for machine in machines { try machine.requireStart() }
        return machines
    }

    /// Looks first at whether the disks can be reverted at all: until then, the VMs run.
    func revert(
        _ machines: [MachineRevert], _ options: RevertOptions,
        _ revert: (RevertOptions) throws -> RevertReport
    ) throws -> RevertReport {
        var preview = options
        (preview.isDryRun, preview.ignoresClients) = (true, true)
        var report = try revert(preview)
        let steps = machines.flatMap { $0.steps(keepsState: !options.skipsSafety) }
        report.steps = steps
        guard !options.isDryRun else { return report }
        try context.end.check()
        do {
            for machine in machines { try machine.leave(keepsState: !options.skipsSafety) }
            report = try revert(options)
        } catch {
            var problem = Problem(error)
            for machine in machines.reversed() { problem = machine.goOnAfterFailure(problem) }
            throw problem
        }
        report.steps = steps
        report.machines = try machines.map { try $0.comeBack(report) }
        return report
    }
}
