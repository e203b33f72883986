internal import Catalog
internal import Settings
package import SnapshotModel
internal import System
internal import VirtualMachines

/// A VM of the settings, as `vm list` and `vm show` tell of it.
package struct MachineSummary: Hashable, Sendable {
    /// What its monitor says.
    package enum Look: Hashable, Sendable {
        /// QEMU's word: `running`, `paused`.
        case status(String)
        /// Why it cannot be asked.
        case unreachable(String)
    }

    package var name: String
    package var volumes: [String]
    package var monitorPath: String
    package var agentPath: String?
    package var savesState: Bool
    package var required: Consistency
    package var look: Look
    /// Whether its guest agent answers; nil when it has none, or the VM does not run.
    package var hasAgent: Bool?
    /// What starts it.
    package var start: [String]?
    /// The newest snapshots with its memory, as references name them: a set's, or its only volume's.
    package var latestState: String?
    package var latestStateAt: Timestamp?
    /// What its memory takes in the store then, in bytes.
    package var latestStateBytes: Int?
    /// What a command that was ended has left it owing.
    package var isOwed: Bool
}

extension MachineSummary: JSONConvertible {
    package var json: JSONValue {
        let (status, problem): (String?, String?) =
            switch look {
            case .status(let word): (word, nil)
            case .unreachable(let reason): (nil, reason)
            }
        return [
            "name": JSONValue(name), "volumes": JSONValue(volumes), "qmp": JSONValue(monitorPath),
            "agent": JSONValue(agentPath), "state": JSONValue(savesState),
            "require": JSONValue(required), "reachable": JSONValue(status != nil),
            "status": JSONValue(status), "problem": JSONValue(problem),
            "agent_answers": hasAgent.map { JSONValue($0) } ?? .null,
            "start": start.map { JSONValue($0) } ?? .null, "latest_state": JSONValue(latestState),
            "latest_state_at": JSONValue(latestStateAt),
            "latest_state_bytes": JSONValue(latestStateBytes), "left_at_rest": JSONValue(isOwed),
        ]
    }
}

/// Tells of the VMs of the settings.
package struct MachineService {
    let context: ManagerContext

    private static let lookMilliseconds = 2_000
    /// How many of a volume's snapshots are looked at for one with memory.
    private static let searchMaximum = 1_000

    /// All of them by name.
    package func list() throws -> [MachineSummary] {
        try context.settings.get().machines.values.sorted { $0.name < $1.name }
            .map { try summary($0) }
    }

    /// - Throws: `notFound`.
    package func show(_ name: String) throws -> MachineSummary {
        try summary(try settings(name))
    }

    private func settings(_ name: String) throws -> MachineSettings {
        let settings = try context.settings.get()
        guard let machine = settings.machines[name] else {
            let known = settings.machines.keys.sorted().joined(separator: ", ")
            throw Problem(
                .notFound, "there is no VM \(name) in the settings",
                hint: known.isEmpty
                    ? "add a table [vm.\(name)] (see snapmgr.toml(5)), then run \(.configCheck)"
                    : Advice("there are: \(known)"))
        }
        return machine
    }

    private func summary(_ machine: MachineSettings) throws -> MachineSummary {
        let look = look(at: machine)
        let latest = try latestState(of: machine)
        var isRunning = false
        if case .status("running") = look { isRunning = true }
        return MachineSummary(
            name: machine.name, volumes: machine.volumes, monitorPath: machine.monitorPath,
            agentPath: machine.agentPath, savesState: machine.savesState,
            required: machine.required, look: look,
            hasAgent: isRunning ? hasAgent(machine) : nil, start: machine.start,
            latestState: latest?.reference, latestStateAt: latest?.record.startedAt,
            latestStateBytes: latest?.bytes,
            isOwed: MachineMarks(context.state).mark(machine.name) != nil)
    }

    private func look(at machine: MachineSettings) -> MachineSummary.Look {
        do {
            let deadline = Deadline(milliseconds: Self.lookMilliseconds)
            let monitor = try MonitorClient.connect(
                machine.monitorPath, machine: machine.name, by: deadline)
            return .status(try monitor.status(by: deadline).word)
        } catch { return .unreachable(Problem(error).message) }
    }

    private func hasAgent(_ machine: MachineSettings) -> Bool? {
        guard let path = machine.agentPath else { return nil }
        let deadline = Deadline(milliseconds: Self.lookMilliseconds)
        guard
            let agent = try? GuestAgent.connect(path, machine: machine.name, by: deadline),
            (try? agent.synchronize(token: MachineToken.next(), by: deadline)) != nil
        else { return false }
        return true
    }

    private func latestState(
        of machine: MachineSettings
    ) throws -> (reference: String, record: MachinesRecord, bytes: Int)? {
        // The record lies in the store of the set's first volume by name, whichever of the set's that is.
        guard let name = machine.volumes.first, try context.catalog.volume(named: name) != nil
        else { return nil }
        let rows = try context.catalog.snapshots(volume: name)
            .filter { $0.phase == .present && $0.consistency == .vm }
        for row in rows.sorted(by: { $0.id > $1.id }).prefix(Self.searchMaximum) {
            let members = try row.setID.map { try context.catalog.snapshots(set: $0) } ?? [row]
            guard let record = try MachineStates(context).record(of: members),
                let state = record.machines.first(where: { $0.name == machine.name })?.state
            else { continue }
            let reference = row.setID.map { "set:\($0)" } ?? row.id.description
            return (reference, record, state.storedBytes)
        }
        return nil
    }
}
