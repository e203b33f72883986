import ArgumentParser
import Manager
import SnapshotModel

struct VMListCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "list", "List the VMs of the settings, and whether they can be reached.",
        examples: ["vm list", "vm list --json"], exits: [.done, .failed, .usage])

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        try context.tellWithoutConfiguration("no VM is known")
        let machines = try context.reader().machines.list()
        try context.show(["vms": JSONValue(machines)]) {
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
}
