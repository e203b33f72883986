internal import Catalog
internal import Settings
package import SnapshotModel
internal import VolumeAccess

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
        let before = try newestReverts(of: report.items.map(\.volume))
        var hasBegun = false
        do {
            for machine in machines { try machine.leave(keepsState: !options.skipsSafety) }
            hasBegun = true
            // A merge need not have ended before its volume is of use.
            var first = options
            if options.waits == true { first.waits = nil }
            report = try revert(first)
        } catch {
            throw settle(machines, after: Problem(error), report, hasBegun ? before : nil)
        }
        report.steps = steps
        // Each is tried, whatever becomes of the others.
        let results: [Result<MachineRevertItem, any Error>] = machines.map { machine in
            Result { try machine.comeBack(report) }
        }
        report.machines = try results.map { try $0.get() }
        if options.waits == true { try followMerges(&report) }
        return report
    }

    private func followMerges(_ report: inout RevertReport) throws {
        for index in report.items.indices where report.items[index].state != .done {
            let volume = try context.volume(report.items[index].volume)
            try context.withSession(volume) { try MergeFollower(context).run($0, volume) }
            report.items[index].state = .done
        }
    }

    private func newestReverts(of volumes: [String]) throws -> [String: Int64] {
        var newest: [String: Int64] = [:]
        for name in volumes {
            newest[name] = try context.catalog.reverts(volume: name).last?.id.rawValue ?? 0
        }
        return newest
    }

    /// - Parameters:
    ///   - preview: of the disks.
    ///   - before: the newest revert of each volume before this one; nil when this one was not begun.
    private func settle(
        _ machines: [MachineRevert], after failure: Problem, _ preview: RevertReport,
        _ before: [String: Int64]?
    ) -> Problem {
        var failure = failure
        var report = preview
        var isKnown = true
        // By volume.
        var newer: [String: [RevertRow]] = [:]
        if let before {
            do {
                // What the stores say counts: an error may have come after the commit.
                let volumes = try report.items.map { try context.volume($0.volume) }
                try Reconciler(context).settleQuietly(volumes)
                for index in report.items.indices {
                    let name = report.items[index].volume
                    let rows = try context.catalog.reverts(volume: name)
                        .filter { $0.id.rawValue > before[name] ?? 0 }
                    newer[name] = rows
                    report.items[index].safety = rows.last?.safetySnapshot
                }
            } catch { isKnown = false }
        }
        for machine in machines.reversed() {
            let rows = machine.settings.volumes.map { newer[$0] ?? [] }
            let fate: DiskFate =
                if !isKnown {
                    .unknown
                } else if rows.allSatisfy(\.isEmpty) {
                    .untouched
                } else if rows.allSatisfy({ Self.isCommitted($0, report) }) {
                    .reverted
                } else {
                    .unknown
                }
            failure = machine.settle(after: failure, fate, report)
        }
        return failure
    }

    private static func isCommitted(_ reverts: [RevertRow], _ report: RevertReport) -> Bool {
        guard let revert = reverts.last, reverts.count == 1, let state = revert.state,
            state != .cancelled
        else { return false }
        return report.items.contains { $0.volume == revert.volume && $0.target == revert.snapshot }
    }
}
