import ArgumentParser
import Glibc
import Manager
import ShellWords
import SnapshotModel
import Stream

struct ReceiveCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "receive", "Write a stream from standard input into a volume, as its newest snapshots.",
        discussion: """
            A whole snapshot goes into a volume that is not there, whose image --origin names, or \
            into one that has no snapshots. What changed since a snapshot goes into a volume that has that \
            snapshot and has not been written to since; nobody may serve it meanwhile. Each snapshot \
            is there when the stream has had it whole. A stream that breaks changes nothing: \
            send it again. Snapshots that are there already are passed over. No snapshot is ever deleted; the content of the volume itself becomes that of the newest.
            """,
        examples: [
            "receive data --origin /srv/data.img <stream",
            "receive data <changes",
        ],
        exits: [
            .done, .failed, .usage, .notFound, .missing, .locked, .refused, .interrupted,
        ])

    @Argument(help: "The volume.", completion: Candidates.volumes)
    var volume: String

    @Option(
        help: ArgumentHelp(
            "Make the volume, with a new image of this name.", valueName: "path"))
    var origin: String?

    @Flag(help: "Give up what a volume without snapshots holds.")
    var overwrite = false

    @Option(
        help: ArgumentHelp(
            "Give up when the other side has done nothing for so long.", valueName: "duration"))
    var stallLimit = "10m"

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        guard isatty(STDIN_FILENO) == 0 else {
            throw Problem(
                .usage, "a stream is not read from a terminal",
                hint: "give what a sender writes to standard input; see \(.help(["send"]))")
        }
        let report = try context.manager().receives.receive(
            ReceiveRequest(volume, originPath: origin, overwrites: overwrite),
            from: StandardInputSource(StreamPatience(stallLimit)))
        try context.show(report) { text(report) }
    }

    private func text(_ report: ReceiveReport) -> String {
        let made = report.isNewVolume ? "volume \(report.volume) created\n" : ""
        let lines = report.snapshots.map { snapshot in
            let name = snapshot.name.map { " \($0)" } ?? ""
            return snapshot.wasThere
                ? "snapshot \(snapshot.id)\(name) was there already\n"
                : "snapshot \(snapshot.id)\(name) received: "
                    + "\(display.size(snapshot.dataBytes)) of data\n"
        }
        return made + lines.joined()
    }
}
