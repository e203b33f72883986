import ArgumentParser
import Manager
import SnapshotModel

struct VMListCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "list", "List the VMs of the settings, whether they can be reached, and their copies.",
        examples: ["vm list", "vm list --json"], exits: [.done, .failed, .usage])

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        try context.tellWithoutConfiguration("no VM is known")
        let manager = try context.reader()
        let (machines, copies) = (try manager.machines.list(), try manager.machineCopies.list())
        try context.show(["vms": JSONValue(machines), "copies": JSONValue(copies)]) {
            text(machines, context)
                + (copies.isEmpty ? "" : "\n" + VMText.table(copies, display, context.terminal))
        }
    }

    private func text(_ machines: [MachineSummary], _ context: CommandContext) -> String {
        var table = Table([
            .init(title: "NAME"), .init(title: "STATUS"), .init(title: "AGENT"),
            .init(title: "MEMORY"), .init(title: "LATEST WITH MEMORY"),
            .init(title: "TAKEN AT"), .init(title: "VOLUMES"),
        ])
        return table.lines(
            machines.map { machine in
                [
                    machine.name, VMText.status(machine.look), VMText.agent(machine),
                    machine.savesState ? "saved" : "not saved", machine.latestState ?? "",
                    machine.latestStateAt.map { display.time($0) } ?? "",
                    machine.volumes.joined(separator: ", "),
                ]
            }, on: context.terminal)
    }
}

/// How VMs are told of.
enum VMText {
    static func status(_ look: MachineSummary.Look) -> String {
        switch look {
        case .status(let word): word
        case .unreachable: "unreachable"
        }
    }

    static func agent(_ machine: MachineSummary) -> String {
        guard machine.agentPath != nil else { return "none" }
        return machine.hasAgent.map { $0 ? "answers" : "silent" } ?? ""
    }

    static func table(
        _ copies: [MachineCopyReport], _ display: DisplayOptions, _ terminal: Terminal
    ) -> String {
        var table = Table([
            .init(title: "COPY"), .init(title: "OF"), .init(title: "SET"), .init(title: "STATUS"),
            .init(title: "NETWORK"), .init(title: "MADE AT"), .init(title: "MONITOR"),
        ])
        return table.lines(
            copies.map { copy in
                [
                    copy.name, copy.machine, copy.setID.map { "set:\($0)" } ?? "",
                    copy.state.word, copy.hasNetwork ? "yes" : "no",
                    copy.madeAt.map { display.time($0) } ?? "", copy.monitorPath ?? "",
                ]
            }, on: terminal)
    }
}
