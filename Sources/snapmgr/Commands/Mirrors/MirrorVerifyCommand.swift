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

            Both read all of the snapshot but its holes: a bit that a disk has flipped at either side is found. \
            Where what differs is sealed, the seals say at which side it was.

            --repair puts it right at one side: what is not what was sealed there is written, as the other side \
            has it, if that is what was sealed; nothing else is ever written, and what its own seal contradicts \
            is not sent. That side must not be served meanwhile. What no seal speaks of is left, and named: what \
            the volume reads as, and what has frozen a short while ago.
            """,
        examples: [
            "mirror verify offsite", "mirror verify offsite --snapshot 42",
            "mirror verify offsite --repair target -n", "mirror verify offsite --repair target",
        ],
        exits: [.done, .failed, .usage, .notFound, .missing, .locked, .refused, .interrupted])

    @Argument(help: "The mirror.")
    var name: String

    @Option(
        help: ArgumentHelp(
            "The snapshot here; the newest that both have by default.", valueName: "id"))
    var snapshot: String?

    @Option(
        help: ArgumentHelp(
            "Write what was sealed to the source, which is the volume here, or to the target.",
            valueName: "source|target"))
    var repair: SideWord?

    @Flag(
        name: [.customShort("n"), .long], help: "With --repair: only tell what would be written.")
    var dryRun = false

    @Option(
        help: ArgumentHelp(
            "Give up when the other side has done nothing for so long.", valueName: "duration"))
    var stallLimit = "10m"

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    /// More lines nobody reads.
    private static let toldMaximum = 32

    func validate() throws {
        guard repair != nil || !dryRun else {
            throw ValidationError("--dry-run goes with --repair only")
        }
    }

    func run(_ context: CommandContext) throws {
        let result = try context.manager().mirrors.verify(
            name, snapshot: snapshot, repairing: repair?.side, isDryRun: dryRun,
            patienceMilliseconds: StreamPatience(stallLimit).milliseconds)
        try context.show(result.json) { text(result) }
        guard result.isSameNow else {
            let report = result.repair.flatMap { $0.isDryRun ? nil : $0 }
            let bytes = report?.leftBytes ?? result.differingBytes
            throw Problem(
                .failed,
                "snapshot \(result.snapshot) and its copy \(result.targetID) at \(result.target) differ in "
                    + "\(bytes) bytes", hint: hint(result))
        }
    }

    private func hint(_ result: MirrorVerification) -> Advice {
        let isProven = !result.damagedHere.isEmpty || !result.damagedThere.isEmpty
        guard result.repair == nil, isProven else {
            return
                "find out which of them is damaged, here and there: \(.check(result.volume, readsData: true))"
        }
        return "what is not what was sealed can be repaired: \(.help(["mirror", "verify"]))"
    }

    private func text(_ result: MirrorVerification) -> String {
        let head =
            "mirror \(result.mirror): snapshot \(result.snapshot), there \(result.targetID): "
        guard !result.isSame else {
            return head + "the same, \(display.size(result.comparedBytes)) compared\n"
        }
        return head + "\(display.size(result.differingBytes)) differ\n"
            + lines(result.ranges.map { ($0, "") })
            + damage(result.damagedHere, "here") + damage(result.damagedThere, "there")
            + (result.repair.map(text) ?? "")
    }

    private func lines(_ ranges: [(Range<Int>, String)]) -> String {
        let rest = ranges.count - Self.toldMaximum
        return ranges.prefix(Self.toldMaximum).map { range, words in
            "  \(display.size(range.count)) from byte \(range.lowerBound) on\(words)\n"
        }.joined() + (rest > 0 ? "  and \(rest) more ranges\n" : "")
    }

    private func damage(_ ranges: [Range<Int>], _ place: String) -> String {
        guard !ranges.isEmpty else { return "" }
        return "not what was sealed \(place):\n" + lines(ranges.map { ($0, "") })
    }

    private func text(_ report: MirrorRepairReport) -> String {
        let verb = report.isDryRun ? "would be mended" : "mended"
        let head = "\(display.size(report.mendedBytes)) \(verb) at the \(report.side.rawValue)\n"
        guard report.leftBytes > 0 else { return head }
        return head + "\(display.size(report.leftBytes)) left:\n"
            + lines(report.left.map { ($0.0, ": \($0.1.words)") })
    }
}

/// Which side of a mirror is written to.
struct SideWord: ExpressibleByArgument {
    let side: MirrorSide

    init?(argument: String) {
        guard let side = MirrorSide(rawValue: argument) else { return nil }
        self.side = side
    }

    static var allValueStrings: [String] { MirrorSide.allCases.map(\.rawValue) }
    static var defaultCompletionKind: CompletionKind { .list(allValueStrings) }
}
