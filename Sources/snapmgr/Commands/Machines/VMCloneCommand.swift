import ArgumentParser
import Manager
import SnapshotModel

struct VMCloneCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "clone", "Start a throw-away copy of a VM as it was when a set was taken.",
        discussion: """
            The copy has clones of all disks, so that nothing is copied and the VM itself is not touched, and goes \
            on with the memory that was saved with the set; without any it starts as after a power cut. It has no \
            network unless --network says so. `vm list` shows it, and `vm stop` takes all of it back, also after an interrupt of this command. What starts it is \
            clone-start in the VM's table of the settings.
            """,
        examples: [
            "vm clone vm1@2h trial", "vm clone set:42 trial --dry-run",
            "vm clone vm1@latest trial --network --no-memory",
        ],
        exits: [.done, .failed, .usage, .notFound, .missing, .locked, .refused, .interrupted])

    @Argument(
        help: ArgumentHelp("The VM at some time, or a set of its disks.", valueName: "vm@ref"),
        completion: Candidates.references)
    var reference: String

    @Argument(help: "The copy's name: one that no VM and no other copy has.")
    var name: String

    @Flag(help: "Leave its network cards plugged in.")
    var network = false

    @Flag(help: "Start it afresh, although memory was saved.")
    var noMemory = false

    @Flag(name: [.customShort("n"), .long], help: "Make nothing; say what would be done.")
    var dryRun = false

    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let report = try context.manager().machineCopies.make(
            reference,
            MachineCopyRequest(name: name, hasNetwork: network, startsAfresh: noMemory),
            isDryRun: dryRun)
        try context.show(["copy": report.json]) { text(report, context) }
    }

    private func text(_ report: MachineCopyReport, _ context: CommandContext) -> String {
        guard report.state != .planned else {
            return report.steps.map { "would \($0)\n" }.joined()
        }
        var sheet = Sheet()
        sheet.add("name", report.name)
        sheet.add("copy of", report.machine + (report.setID.map { " as of set:\($0)" } ?? ""))
        sheet.add("memory", report.hasMemory ? "that of the set" : "none: it was started afresh")
        sheet.add("network", report.hasNetwork ? "as its program gives it" : "unplugged")
        sheet.add("monitor", report.monitorPath)
        for disk in report.disks {
            sheet.add("disk", "\(disk.clone) \(disk.address ?? "")")
        }
        sheet.add("process", report.processID.map { "\($0)" })
        sheet.add("ends with", "snapmgr vm stop \(report.name)")
        return sheet.text
    }
}
