import ArgumentParser
import Glibc
import Manager
import ShellWords
import SnapshotModel
import Stream

struct SendCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "send", "Write snapshots to standard output, as a stream that 'receive' takes.",
        discussion: """
            Without --from, all of the one snapshot. With it, what has changed since that one: every \
            snapshot that was taken after it up to the one that is named, oldest first. What is \
            unchanged or a hole is not read. The snapshot cannot be deleted meanwhile. What was sent is \
            told on standard error, as JSON with --json.
            """,
        examples: [
            "send data@latest | ssh backup snapmgr receive data --origin /srv/data.img",
            "send data@latest --from 42 --compress zstd | ssh backup snapmgr receive data",
            "send 57 --from 42 -n",
        ],
        exits: [
            .done, .failed, .usage, .notFound, .missing, .locked, .refused, .interrupted,
        ])

    @Argument(
        help: ArgumentHelp("The snapshot.", valueName: "id"), completion: Candidates.references)
    var snapshot: String

    @Option(
        help: ArgumentHelp("The snapshot that the receiver has already.", valueName: "id"),
        completion: Candidates.references)
    var from: String?

    @Option(help: ArgumentHelp("Compress data.", valueName: "zstd[:1-19]|none"))
    var compress = CompressionArgument(compression: .none)

    @Flag(name: [.customShort("n"), .long], help: "Only tell how much would be sent.")
    var dryRun = false

    @Option(
        help: ArgumentHelp(
            "Give up when the other side has done nothing for so long.", valueName: "duration"))
    var stallLimit = "10m"

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let request = SendRequest(snapshot, base: from, compression: compress.compression)
        guard !dryRun else {
            let report = try context.reader().sends.preview(request)
            return try context.show(report) { text(report) }
        }
        guard isatty(STDOUT_FILENO) == 0 else {
            throw Problem(
                .usage, "a stream is not written to a terminal",
                hint: "send it to a receiver by a pipe, or into a file; see "
                    + "\(.help(["receive"]))")
        }
        let report = try context.manager().sends.send(
            request, to: StandardOutputSink(StreamPatience(stallLimit)))
        context.meter.finish()
        guard !global.quiet else { return }
        if global.json { Output.writeError("\(report.json)\n") } else { Output.tell(text(report)) }
    }

    private func text(_ report: SendReport) -> String {
        let ids = report.snapshots.map { "\($0.id)" }
        let what =
            ids.count == 1
            ? "snapshot \(ids[0])" : "\(ids.count) snapshots (\(ids.joined(separator: ", ")))"
        let data = display.size(report.dataBytes)
        guard let streamBytes = report.streamBytes else {
            return "\(what) of \(report.volume) would be sent: at most \(data) of data\n"
        }
        return "\(what) of \(report.volume) sent: \(data) of data, "
            + "\(display.size(streamBytes)) of stream\n"
    }
}

/// `none`, `zstd`, or `zstd:` and a level.
struct CompressionArgument: ExpressibleByArgument {
    let compression: StreamCompression

    init(compression: StreamCompression) { self.compression = compression }

    init?(argument: String) {
        let parts = argument.split(separator: ":", omittingEmptySubsequences: false)
        switch (parts.first, parts.count) {
        case ("none", 1): compression = .none
        case ("zstd", 1): compression = .zstd(level: StreamCompression.defaultLevel)
        case ("zstd", 2):
            guard let level = Int(parts[1]), StreamCompression.levels.contains(level) else {
                return nil
            }
            compression = .zstd(level: level)
        default: return nil
        }
    }

    static var defaultCompletionKind: CompletionKind { .list(["none", "zstd", "zstd:3"]) }

    var defaultValueDescription: String {
        switch compression {
        case .none: "none"
        case .zstd(let level): "zstd:\(level)"
        }
    }
}
