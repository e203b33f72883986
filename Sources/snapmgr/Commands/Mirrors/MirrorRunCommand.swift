import ArgumentParser
import Manager
import SnapshotModel

struct MirrorRunCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "run", "Send what the targets of mirrors lack.",
        discussion: """
            Both sides look for the newest snapshot that they have in common, by its UUID. What was taken \
            since is sent, oldest first; the first time, all snapshots that there are. A run that is cut goes \
            on where it was cut, when what is there of the snapshot proves to be what was sent. What is being sent is held here, and the \
            newest common snapshot on both sides.

            A target that has snapshots and none in common is refused. With --reanchor, when it is a mirror's \
            target, or was made one there by 'mirror demote', what it reads as is compared with the oldest \
            snapshot here, by digests, and only what differs is sent; all that is there stays.

            --due is for timers: it leaves alone what has nothing to send, and what failed, for a minute, then \
            twice as long each time, up to an hour. One that fails does not keep the others from being run.
            """,
        examples: [
            "mirror run", "mirror run offsite -n", "mirror run offsite --accept-revert",
            "mirror run offsite --reanchor -n",
        ],
        exits: [
            .done, .failed, .usage, .partlyDone, .notFound, .missing, .locked, .refused,
            .interrupted,
        ])

    @Argument(help: "The mirrors; all by default.", completion: Candidates.mirrors)
    var names: [String] = []

    @Flag(help: "Only what is due, for timers.")
    var due = false

    @Flag(help: "Send also what a revert of the volume has left.")
    var acceptRevert = false

    @Flag(help: "Begin anew where nothing is in common, by what differs.")
    var reanchor = false

    @Option(
        help: ArgumentHelp(
            "Give up when the other side has done nothing for so long.", valueName: "duration"))
    var stallLimit = "10m"

    @Flag(name: [.customShort("n"), .long], help: "Only tell what would be sent.")
    var dryRun = false

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        var options = MirrorService.RunOptions()
        options.onlyDue = due
        options.acceptsRevert = acceptRevert
        options.reanchors = reanchor
        options.isDryRun = dryRun
        guard try !names.isEmpty || Manager.mayHaveMirrors(context.options()) else {
            return try context.show(["runs": .array([]), "dry_run": JSONValue(dryRun)]) { "" }
        }
        let manager = try dryRun ? context.reader() : context.manager()
        let outcomes = try manager.mirrors.run(
            names, options, patienceMilliseconds: StreamPatience(stallLimit).milliseconds)
        let failures = outcomes.filter { $0.state == .failed }
        if let only = failures.first, outcomes.count == 1, let problem = only.problem {
            throw problem
        }
        try context.show(["runs": JSONValue(outcomes), "dry_run": JSONValue(dryRun)]) {
            outcomes.map(text).joined()
        }
        guard let first = failures.first?.problem else { return }
        throw Problem(
            failures.count == outcomes.count ? first.code : .partial,
            "\(failures.count) of \(outcomes.count) mirrors failed: \(first.message)",
            hint: first.hint)
    }

    private func resumed(_ outcome: MirrorOutcome) -> String {
        // Nothing is compared before it is sent.
        let most = outcome.state == .planned ? " at most" : ""
        return outcome.resumedAt.map {
            "; the first one goes on from \(display.size($0))\(most)"
        } ?? ""
    }

    private func text(_ outcome: MirrorOutcome) -> String {
        let head = "mirror \(outcome.mirror): "
        let count = outcome.snapshots.count
        let what = "\(count) snapshot\(count == 1 ? "" : "s")"
        switch outcome.state {
        case .sent:
            return head + "\(what) sent, \(display.size(outcome.dataBytes)) of data, "
                + "\(display.size(outcome.streamBytes)) of stream\(resumed(outcome))\n"
        case .planned:
            return head
                + "\(what) would be sent, at most \(display.size(outcome.dataBytes))\(resumed(outcome))\n"
        case .current: return head + "the target has all\n"
        case .skipped:
            return due ? "" : head + (outcome.problem?.message ?? "a run is at work already") + "\n"
        case .reversed:
            return head + "the target was promoted, and volume \(outcome.volume) is a target now: "
                + "nothing is to be sent\n"
        case .failed: return head + (outcome.problem?.message ?? "") + "\n"
        }
    }
}
