import ArgumentParser
import Manager
import ShellWords
import SnapshotModel

struct RevertCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "revert", "Make a volume, or all volumes of a set, read as a snapshot.",
        discussion: """
            The volume reads as the snapshot at once; the data is merged into the origin in the \
            background by whoever serves the volume, else by this command. A safety snapshot of \
            the state that is left is taken first: reverting to it undoes the revert. No client of a \
            server may have the volume open for writing: unmount it there, or stop the VM; --force \
            does it all the same, and then these must do so before they write again. A volume under \
            device-mapper must not be open at all: unmount it first, or use --lazy-on-close, and the \
            next tick, activate, deactivate or umount that finds it closed does it.

            When the volumes are the disks of a VM of the settings, the VM goes back, too: it is quit, its \
            disks are reverted, and it is started with the memory that was saved with the set, or afresh; \
            the memory that it leaves is saved with the safety snapshots. --dry-run tells the steps.

            With --with, the volume reads as the snapshot with what was written to a clone of it: repair \
            or upgrade a copy, test it, then make it the volume. The clone can be read meanwhile, and \
            written to again when the merge has ended, unless --end-clone says that it ends then.
            """,
        examples: [
            "revert data@2h --dry-run", "revert 42", "revert vm1@2h", "revert set:7 --yes",
            "revert 42 --with repaired --end-clone",
        ],
        exits: [.done, .failed, .usage, .notFound, .missing, .locked, .refused, .interrupted])

    @Argument(
        help: ArgumentHelp("The snapshot or set.", valueName: "id"),
        completion: Candidates.references)
    var reference: String

    @Option(
        help: ArgumentHelp(
            "Merge what was written to this clone of the snapshot, too.", valueName: "clone"),
        completion: Candidates.clones)
    var with: String?

    @Flag(help: "The clone ends with the merge; else it goes on then.")
    var endClone = false

    @Flag(help: "Take no safety snapshot: what was written since the last snapshot is lost.")
    var noSafety = false

    @Flag(
        inversion: .prefixedNo,
        help: "Return when the merge has ended (default: where nobody serves the volume).")
    var wait: Bool?

    @Flag(help: "When a volume under device-mapper is open, do it as soon as it is closed.")
    var lazyOnClose = false

    @Flag(help: "Revert an image under the NBD clients that have it open: they must begin anew.")
    var force = false

    @Flag(name: [.customShort("n"), .long], help: "Change nothing; say what would be.")
    var dryRun = false

    @OptionGroup var confirmation: ConfirmOptions
    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func validate() throws {
        guard with != nil || !endClone else {
            throw ValidationError("--end-clone needs --with, which says the clone")
        }
    }

    func run(_ context: CommandContext) throws {
        let reverts = try context.manager().reverts
        var options = RevertOptions(
            skipsSafety: noSafety, waits: wait, isDryRun: true, isQueuedWhileOpen: lazyOnClose,
            overrulesClients: force, clone: with.map { CloneUse(name: $0, ends: endClone) })
        if !dryRun, noSafety || context.terminal.canAsk, !confirmation.yes {
            try ask(try reverts.revert(reference, options), context.terminal)
        }
        options.isDryRun = dryRun
        let report = try reverts.revert(reference, options)
        try context.show(report) { text(report) }
    }

    private func ask(_ preview: RevertReport, _ terminal: Terminal) throws {
        let volumes = preview.items.map(\.volume).joined(separator: ", ")
        Output.tell(terminal.canAsk ? text(preview) : "")
        try confirmation.confirm(
            "Revert \(volumes)?",
            dropping: noSafety
                ? "what was written to \(volumes) since the last snapshot would be lost" : nil,
            terminal)
    }

    private func text(_ report: RevertReport) -> String {
        let machines = report.machines.map { machine in
            let memory = machine.withMemory ? "with its memory of then" : "afresh"
            return "VM \(machine.name) runs again \(memory), "
                + "\(machine.runsAfterMicroseconds / 1000) ms after it was left\n"
        }
        let steps = report.isDryRun ? report.steps.enumerated().map { "\($0 + 1). \($1)\n" } : []
        return steps.joined() + volumesText(report) + machines.joined()
    }

    private func volumesText(_ report: RevertReport) -> String {
        report.items.map { item in
            guard !item.isQueued else {
                return "volume \(item.volume) is open: it "
                    + (report.isDryRun ? "would be reverted" : "is reverted")
                    + " to snapshot \(item.target) when it is closed\n"
            }
            let plan = display.size(item.planBytes)
            let clone = item.clone.map { " with clone \($0.name)" } ?? ""
            guard !report.isDryRun else {
                return
                    "volume \(item.volume) would read as snapshot \(item.target)\(clone): \(plan) to "
                    + "merge, \(display.size(item.preserveBytes)) to keep for other snapshots\n"
            }
            let advice = item.clientAdvice.map { "\($0)\n" } ?? ""
            let undo = item.safety.map { Wording.shell.text("; \(.revert($0)) undoes it") } ?? ""
            let merge = item.state == .done ? "merged \(plan)" : "merging \(plan)"
            return
                "volume \(item.volume) reads as snapshot \(item.target)\(clone): \(merge)\(undo)\n"
                + advice
        }.joined()
    }
}
