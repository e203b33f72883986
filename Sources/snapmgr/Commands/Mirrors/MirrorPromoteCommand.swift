import ArgumentParser
import Manager
import ShellWords
import SnapshotModel

struct MirrorPromoteCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "promote", "Have a mirror's target take over: it is written to from now on.",
        discussion: """
            The volume reads as the newest copy that is whole, or as the snapshot that is named, at once, as \
            after a revert: a safety snapshot is taken first, and reverting to it undoes that. From then on \
            nothing is received, and clients of a server may write.

            Promotions are numbered. A source of an older generation that comes back is refused by what has \
            followed a newer one, and told what to do. When both were written to, nothing is sent until one \
            of them was demoted.

            Of a volume that is no target, this only begins a generation: for one that was demoted by \
            mistake, or whose target was promoted and is to be a target again.
            """,
        examples: ["mirror promote data", "mirror promote data@2h -n"],
        exits: [.done, .failed, .usage, .notFound, .missing, .locked, .refused, .interrupted])

    @Argument(help: ArgumentHelp("The volume, or one of its snapshots.", valueName: "vol[@id]"))
    var reference: String

    @Flag(
        inversion: .prefixedNo,
        help: "Return when the merge has ended (default: where nobody serves the volume).")
    var wait: Bool?

    @Flag(name: [.customShort("n"), .long], help: "Change nothing; say what would be.")
    var dryRun = false

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let report = try context.manager().mirrorRoles.promote(
            reference, waits: wait, isDryRun: dryRun)
        try context.show(report.json) { text(report) }
    }

    private func text(_ report: MirrorRoleReport) -> String {
        let head = "volume \(report.volume) "
        guard !report.wasThat else {
            return head + "is the primary already, of generation \(report.generation)\n"
        }
        let place = report.snapshot.map {
            ", and \(dryRun ? "would read" : "reads") as snapshot \($0)"
        }
        let undo =
            report.revert?.safety.map { Wording.shell.text("; \(.revert($0)) undoes that") } ?? ""
        return head + (dryRun ? "would be" : "is") + " the primary, of generation "
            + "\(report.generation)\(place ?? "")\(undo)\n"
    }
}
