import ArgumentParser
import Manager
import Scheduler
import SnapshotModel
import ShellWords
import Stream

struct MirrorAddCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "add", "Mirror a volume's snapshots to a volume at another site.",
        discussion: """
            The other site is reached by ssh, with the keys and the configuration of the user who runs it, \
            and runs 'snapmgr mirror accept' there. Nothing is sent before 'mirror run'. What a mirror \
            sends is added there; nothing there is ever deleted, renamed or shortened by it.

            --on-revert says what happens when the volume here was reverted: ask stops the mirror until \
            'mirror run --accept-revert'; follow goes on; keep goes on, and holds the last copy of before at \
            the target.

            --limit-hours 08:00-18:00=5M limits what is sent in that part of each day, by the clocks of this \
            machine's time zone; 22:00-06:00=none lifts the limit. Where several parts overlap the lowest holds.
            """,
        examples: [
            "mirror add offsite data ssh://backup@example.org/data",
            "mirror add offsite data ssh://example.org:2222/data --limit 10MiB --on-revert keep",
            "mirror add offsite data ssh://example.org/data --limit 20M --limit-hours 08:00-18:00=5M",
        ],
        exits: [.done, .failed, .usage, .notFound, .locked, .interrupted])

    @Argument(help: "The mirror's name.")
    var name: String

    @Argument(
        help: ArgumentHelp("The volume here.", valueName: "vol"), completion: Candidates.volumes)
    var volume: String

    @Argument(help: ArgumentHelp("Where to: ssh://USER@HOST:PORT/VOLUME.", valueName: "url"))
    var target: String

    @Option(help: ArgumentHelp("When the volume was reverted.", valueName: "ask|follow|keep"))
    var onRevert = RevertWord(behaviour: .ask)

    @Option(help: ArgumentHelp("Send at most so much per second.", valueName: "size"))
    var limit: MergeThrottleCommand.Rate?

    @Option(
        help: ArgumentHelp(
            "At most so much per second in this part of each day; may be given again.",
            valueName: "hours=size"))
    var limitHours: [RateHoursWord] = []

    @Option(help: ArgumentHelp("Compress data.", valueName: "zstd[:1-19]|none"))
    var compress = CompressionArgument(compression: .none)

    @Option(
        help: ArgumentHelp(
            "The program that connects, and its options, in the place of ssh.",
            valueName: "command"))
    var ssh: String?

    @Option(
        help: ArgumentHelp(
            "snapmgr at the other site, when it is not found by its name, with its options.",
            valueName: "command"))
    var remoteProgram: String?

    @Flag(name: [.customShort("n"), .long], help: "Only check it.")
    var dryRun = false

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        var request = MirrorRequest(name, volume: volume, target: target)
        request.onRevert = onRevert.behaviour
        request.bytesPerSecondLimit = limit?.bytesPerSecond
        request.limitHours = limitHours.map(\.part)
        request.compression = compress.compression
        request.connector = ssh.map { $0.split(separator: " ").map(String.init) }
        request.remoteProgram = remoteProgram
        guard request.connector?.isEmpty != true else {
            throw Problem(.usage, "--ssh names no program", hint: "write --ssh \"ssh -F FILE\"")
        }
        let manager = try dryRun ? context.reader() : context.manager()
        let summary = try manager.mirrors.add(request, isDryRun: dryRun)
        try context.show(["mirror": summary.json, "dry_run": JSONValue(dryRun)]) {
            "mirror \(summary.record.name) of volume \(volume) to \(summary.record.target) "
                + (dryRun
                    ? "would be added\n"
                    : "added: run it with \(Wording.shell.text("\(.mirrorRun(name))"))\n")
        }
    }
}

/// A limit for a part of the day.
struct RateHoursWord: ExpressibleByArgument {
    let part: RateHours

    init?(argument: String) {
        let halves = argument.split(separator: "=", maxSplits: 1).map(String.init)
        guard halves.count == 2, let hours = try? DayHours(parsing: halves[0]),
            let rate = MergeThrottleCommand.Rate(argument: halves[1])
        else { return nil }
        part = RateHours(hours, bytesPerSecond: rate.bytesPerSecond)
    }
}

/// What a mirror does after a revert.
struct RevertWord: ExpressibleByArgument {
    let behaviour: RevertBehaviour

    init(behaviour: RevertBehaviour) { self.behaviour = behaviour }

    init?(argument: String) {
        guard let behaviour = RevertBehaviour(rawValue: argument) else { return nil }
        self.behaviour = behaviour
    }

    static var allValueStrings: [String] { RevertBehaviour.allCases.map(\.rawValue) }
    static var defaultCompletionKind: CompletionKind { .list(allValueStrings) }
    var defaultValueDescription: String { behaviour.rawValue }
}
