import ArgumentParser
import Manager
import Scheduler
import ShellWords
import SnapshotModel

struct MirrorSetCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "set", "Change how fast a mirror sends, how it compresses, or what it does after a revert.",
        discussion: """
            What is not named stays as it is. --limit-hours names all parts of the day that have a limit of their \
            own; 'none' lifts them all.

            A run that is under way goes on by what it was told at its beginning, and is in the way (11): end it \
            first, it goes on from where it was.
            """,
        examples: [
            "mirror set offsite --limit 20M", "mirror set offsite --limit none --limit-hours none",
            "mirror set offsite --limit-hours 08:00-18:00=5M --compress zstd:3",
        ],
        exits: [.done, .failed, .usage, .notFound, .locked, .interrupted])

    @Argument(help: "The mirror.", completion: Candidates.mirrors)
    var name: String

    @Option(help: ArgumentHelp("When the volume was reverted.", valueName: "ask|follow|keep"))
    var onRevert: RevertWord?

    @Option(help: ArgumentHelp("Send at most so much per second, or none.", valueName: "size"))
    var limit: MergeThrottleCommand.Rate?

    @Option(
        help: ArgumentHelp(
            "At most so much per second in this part of each day, or none; may be given again.",
            valueName: "hours=size"))
    var limitHours: [RateHoursOrNone] = []

    @Option(help: ArgumentHelp("Compress data.", valueName: "zstd[:1-19]|none"))
    var compress: CompressionArgument?

    @Flag(name: [.customShort("n"), .long], help: "Only check it.")
    var dryRun = false

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        var change = MirrorChange(name)
        change.onRevert = onRevert?.behaviour
        change.limit = limit.map { $0.bytesPerSecond.map { .bytesPerSecond($0) } ?? .unlimited }
        change.limitHours = try hours()
        change.compression = compress?.compression
        let manager = try dryRun ? context.reader() : context.manager()
        let summary = try manager.mirrors.change(change, isDryRun: dryRun)
        try context.show(["mirror": summary.json, "dry_run": JSONValue(dryRun)]) {
            "mirror \(name) \(dryRun ? "would be" : "was") changed; see what holds: "
                + "\(Wording.shell.text("\(.mirrorList)"))\n"
        }
    }

    /// Nil when none is named.
    private func hours() throws -> [RateHours]? {
        guard !limitHours.isEmpty else { return nil }
        let parts = limitHours.compactMap(\.part)
        guard parts.isEmpty || parts.count == limitHours.count else {
            throw Problem(
                .usage, "--limit-hours is `none` and something else at once",
                hint: "name the parts of the day that are to have a limit, and no others")
        }
        return parts
    }
}

/// A limit for a part of the day, or `none`.
struct RateHoursOrNone: ExpressibleByArgument {
    let part: RateHours?

    init?(argument: String) {
        guard argument != "none" else {
            part = nil
            return
        }
        guard let word = RateHoursWord(argument: argument) else { return nil }
        part = word.part
    }
}
