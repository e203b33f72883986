import ArgumentParser
import Manager
import ShellWords
import SnapshotModel

struct MirrorDemoteCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "demote", "Have a volume be a mirror's target: it follows another one from now on.",
        discussion: """
            What the volume is now is kept by a snapshot, which is held until somebody releases it. From then \
            on clients of a server can only read, and a mirror of another site goes on from the newest \
            snapshot that both have: the volume reads as that then, and as what is received after it. No \
            snapshot is lost by it.

            The way back after the other site took over: demote the volume here, and add a mirror there to \
            this one. 'mirror promote' undoes it.
            """,
        examples: ["mirror demote data"],
        exits: [.done, .failed, .usage, .notFound, .missing, .locked, .refused, .interrupted])

    @Argument(help: ArgumentHelp("The volume.", valueName: "vol"))
    var volume: String

    @Flag(name: [.customShort("n"), .long], help: "Change nothing; say what would be.")
    var dryRun = false

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let report = try context.manager().mirrorRoles.demote(volume, isDryRun: dryRun)
        try context.show(report.json) { text(report) }
    }

    private func text(_ report: MirrorRoleReport) -> String {
        let head = "volume \(report.volume) "
        guard !report.wasThat else { return head + "is a mirror's target already\n" }
        let kept =
            report.snapshot.map { "; snapshot \($0), which is held, keeps what it was" } ?? ""
        return head + (dryRun ? "would be" : "is") + " a mirror's target\(kept)\n"
    }
}
