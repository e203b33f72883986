import ArgumentParser
import Manager
import SnapshotModel

struct MirrorVerifyCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "verify", "Compare a snapshot with its copy at a mirror's target.",
        discussion: """
            Both sides read what they have, and compare SHA-256 digests of it: of 1 MiB each, then, where they \
            differ, of 4 KiB. No data is sent, and nothing is changed. What differs is named, logged as \
            mirror_differs, and ends it with 1.

            Both read all of the snapshot but its holes: a bit that a disk has flipped at either side is found, \
            and 'check --data' says at which.
            """,
        examples: ["mirror verify offsite", "mirror verify offsite --snapshot 42"],
        exits: [.done, .failed, .usage, .notFound, .missing, .locked, .refused, .interrupted])

    @Argument(help: "The mirror.")
    var name: String

    @Option(
        help: ArgumentHelp(
            "The snapshot here; the newest that both have by default.", valueName: "id"))
    var snapshot: String?

    @Option(
        help: ArgumentHelp(
            "Give up when the other side has done nothing for so long.", valueName: "duration"))
    var stallLimit = "10m"

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    /// More lines nobody reads.
    private static let toldMaximum = 32

    func run(_ context: CommandContext) throws {
        let result = try context.manager().mirrors.verify(
            name, snapshot: snapshot,
            patienceMilliseconds: StreamPatience(stallLimit).milliseconds)
        try context.show(result.json) { text(result) }
        guard result.isSame else {
            throw Problem(
                .failed,
                "snapshot \(result.snapshot) and its copy \(result.targetID) at \(result.target) differ in "
                    + "\(result.differingBytes) bytes",
                hint:
                    "find out which of them is damaged, here and there: \(.check(result.volume, readsData: true))"
            )
        }
    }

    private func text(_ result: MirrorVerification) -> String {
        let head =
            "mirror \(result.mirror): snapshot \(result.snapshot), there \(result.targetID): "
        guard !result.isSame else {
            return head + "the same, \(display.size(result.comparedBytes)) compared\n"
        }
        let lines = result.ranges.prefix(Self.toldMaximum).map {
            "  \(display.size($0.count)) from byte \($0.lowerBound) on\n"
        }
        let rest = result.ranges.count - Self.toldMaximum
        return head + "\(display.size(result.differingBytes)) differ\n" + lines.joined()
            + (rest > 0 ? "  and \(rest) more ranges\n" : "")
    }
}
