import ArgumentParser
import Glibc
import Manager
import SnapshotModel

struct EventsCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "events", "Show what happened.",
        discussion: """
            With --follow and --json, each event is a document on a line of its own. With --verbose, \
            each says who asked for it. Those of a volume that is gone are still there.
            """,
        examples: ["events", "events --follow", "events data -f"],
        exits: [.done, .failed, .usage, .notFound, .interrupted])

    @Argument(
        help: ArgumentHelp("Only what happened to this volume.", valueName: "vol"),
        completion: Candidates.volumes)
    var volume: String?

    @Flag(
        name: [.customShort("f"), .long],
        help: "Go on with new events until interrupted.")
    var follow = false

    @Option(help: "Show so many of the last events.")
    var limit = 100

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    /// Between two looks for new events, in microseconds.
    private static let lookMicroseconds: UInt32 = 250_000

    func validate() throws {
        guard limit >= 0 else { throw ValidationError("--limit cannot be negative") }
    }

    func run(_ context: CommandContext) throws {
        let service = try context.reader().events
        if let volume { try service.requireKnown(volume) }
        let latest = try service.latest(limit, volume: volume)
        guard follow else {
            return try context.show(["events": JSONValue(latest)]) {
                latest.map(line).joined()
            }
        }
        var last = latest.last?.id
        show(latest)
        while !Interruption.cancellation.isRequested {
            let events = try service.after(last, volume: volume, limit: 1000)
            show(events)
            last = events.last?.id ?? last
            usleep(Self.lookMicroseconds)
        }
        throw Cancellation.problem
    }

    private func show(_ events: [EventSummary]) {
        guard !events.isEmpty else { return }
        guard !global.json else { return Output.write(events.map { "\($0.json)\n" }.joined()) }
        Output.show(events.map(line).joined())
    }

    private func line(_ event: EventSummary) -> String {
        let volume = event.volume.map { "volume \($0): " } ?? ""
        let level = event.level == "info" ? "" : "\(event.level): "
        let requester = global.verbose ? event.requestedBy.map { " (for \($0))" } ?? "" : ""
        return "\(display.time(event.time))  \(level)\(volume)"
            + "\((event.message + requester).escapedForPeople)\n"
    }
}
