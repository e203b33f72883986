import ArgumentParser
import Manager
import SnapshotModel

struct VMShowCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "show", "Show all that is known of a VM.", examples: ["vm show web"],
        exits: [.done, .failed, .usage, .notFound])

    @Argument(help: ArgumentHelp("The VM.", valueName: "name"))
    var machine: String

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let machine = try context.reader().machines.show(machine)
        try context.show(["vm": machine.json]) { text(machine) }
    }

    private func text(_ machine: MachineSummary) -> String {
        var sheet = Sheet()
        sheet.add("name", machine.name)
        sheet.add("volumes", machine.volumes.joined(separator: ", "))
        sheet.add("status", VMText.status(machine.look))
        if case .unreachable(let reason) = machine.look { sheet.add("reason", reason) }
        sheet.add("monitor", machine.monitorPath)
        sheet.add("agent", machine.agentPath.map { "\($0) \(VMText.agent(machine))" })
        sheet.add("memory", machine.savesState ? "saved with the volumes" : "not saved")
        sheet.add("requires", machine.required.rawValue)
        sheet.add("start", machine.start?.joined(separator: " "))
        sheet.add("latest with memory", machine.latestState)
        sheet.add("taken at", machine.latestStateAt.map { display.time($0) })
        sheet.add("memory takes", machine.latestStateBytes.map { display.size($0) })
        if machine.isOwed {
            sheet.add(
                "left", "paused or frozen by a command that was ended: the next one has it go on")
        }
        return sheet.text
    }
}
