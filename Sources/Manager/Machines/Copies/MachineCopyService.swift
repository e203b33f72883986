internal import Catalog
internal import Settings
internal import SnapshotModel
internal import System
internal import VirtualMachines

/// How a copy of a VM is to be.
package struct MachineCopyRequest: Hashable, Sendable {
    package var name: String
    /// Whether it is to have the network that its program gives it.
    package var hasNetwork: Bool
    /// Whether it is started without the memory that was saved.
    package var startsAfresh: Bool

    package init(name: String, hasNetwork: Bool = false, startsAfresh: Bool = false) {
        self.name = name
        self.hasNetwork = hasNetwork
        self.startsAfresh = startsAfresh
    }
}

/// Makes throw-away copies of VMs, lists them, and ends them.
package struct MachineCopyService {
    let context: ManagerContext

    private static let lookMilliseconds = 2_000

    /// Starts a copy of a VM as it was when a set was taken, from clones of its disks.
    ///
    /// - Throws: `notFound`, `usage`, `refused`, `exists`; when it throws, nothing is left of it, unless the message
    ///   says so.
    package func make(
        _ reference: String, _ request: MachineCopyRequest, isDryRun: Bool
    ) throws -> MachineCopyReport {
        let plan = try MachineCopyPlan(context, reference, request)
        guard !isDryRun else { return try planned(plan) }
        return try MachineCopies(context).locked(request.name) {
            // Somebody may have been faster.
            let plan = try MachineCopyPlan(context, reference, request)
            try preview(plan)
            return try MachineCopyMaking(context, plan).run()
        }
    }

    /// Whether each of its clones could be made.
    private func preview(_ plan: MachineCopyPlan) throws {
        for row in plan.rows {
            _ = try CloneService(context: context).create(
                "\(row.id)", name: plan.cloneName(of: row.volume), isDryRun: true)
        }
    }

    private func planned(_ plan: MachineCopyPlan) throws -> MachineCopyReport {
        try preview(plan)
        return MachineCopyReport(
            name: plan.name, machine: plan.settings.name, setID: plan.rows.first?.setID,
            disks: plan.rows.map {
                .init(
                    volume: $0.volume, snapshot: $0.id, clone: plan.cloneName(of: $0.volume),
                    address: nil)
            },
            monitorPath: nil,
            hasNetwork: plan.hasNetwork, hasMemory: plan.memory != nil, madeAt: nil,
            processID: nil, state: .planned, steps: plan.steps)
    }

    /// Ends a copy, and takes back all that was made of it.
    ///
    /// - Throws: `notFound`; `refused` for a VM that is no copy; `locked` while it is made.
    package func stop(_ name: String, isDryRun: Bool) throws -> MachineCopyReport {
        let copies = MachineCopies(context)
        let record = try find(name)
        guard !isDryRun else { return report(record) }
        return try copies.locked(name) {
            // Somebody may have been faster.
            guard let current = try copies.find(name) else {
                return MachineCopyReport(record, .gone)
            }
            try MachineCopyEnd(context, current).run()
            return MachineCopyReport(current, .gone)
        }
    }

    private func find(_ name: String) throws -> MachineCopyRecord {
        let copies = MachineCopies(context)
        if let record = try copies.find(name) { return record }
        if (try? context.settings.get())?.machines[name] != nil {
            throw Problem(
                .refused, "VM \(name) is no copy: only copies are ended here",
                hint: "shut it down yourself")
        }
        throw Problem(
            .notFound, "there is no copy \(name) of a VM",
            hint: Suggestion.hint(
                for: name, among: try copies.all.map(\.name), else: "see them all: \(.machineList)")
        )
    }

    /// All of them, by name.
    package func list() throws -> [MachineCopyReport] {
        try MachineCopies(context).all.map(report)
    }

    private func report(_ record: MachineCopyRecord) -> MachineCopyReport {
        MachineCopyReport(record, state(of: record))
    }

    private func state(of record: MachineCopyRecord) -> MachineCopyReport.State {
        if MachineCopies(context).isAtWork(record.name) { return .atWork }
        guard record.isWhole else { return .unfinished }
        let deadline = Deadline(milliseconds: Self.lookMilliseconds)
        guard
            let monitor = try? MachineStart.monitor(
                of: record.name, at: record.monitorPath, by: deadline),
            let status = try? monitor.status(by: deadline)
        else { return .off }
        return .answers(status.word)
    }
}
