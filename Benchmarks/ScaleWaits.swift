import Glibc
import SnapshotModel
import System

/// How long commands take at the longest while a prune deletes nearly all of a chain: what others wait for.
struct ScaleWaits {
    let chain: ScaleChain

    private static let commands = [
        (name: "status", words: ["status"]),
        (name: "list --limit 50", words: ["list", "--limit", "50"]),
        (name: "snapshot data", words: ["snapshot", "data"]),
        (name: "snapshot other", words: ["snapshot", "other"]),
    ]

    /// Prunes, and has the commands take turns until that has ended.
    ///
    /// - Returns: the milliseconds of the prune, and of each command the longest.
    func run() throws -> [(name: String, milliseconds: Double)] {
        try chain.makeOther()
        // Once alone: a short prune ends before each had its turn.
        var longest = try Self.commands.map { try milliseconds(of: $0.words) }
        let begun = SystemClock().monotonicNanoseconds()
        let prune = try chain.start(["prune"])
        var (turn, status): (Int, Int32) = (0, 0)
        while waitpid(prune, &status, WNOHANG) == 0 {
            let place = turn % longest.count
            longest[place] = max(
                longest[place], try milliseconds(of: Self.commands[place].words))
            turn += 1
        }
        guard status == 0 else { throw Problem(.failed, "the prune has failed") }
        return [("`prune` to the last 10", Self.milliseconds(since: begun))]
            + zip(Self.commands, longest).map { ("`\($0.name)` meanwhile, the longest", $1) }
    }

    private func milliseconds(of words: [String]) throws -> Double {
        let start = SystemClock().monotonicNanoseconds()
        try chain.command(words)
        return Self.milliseconds(since: start)
    }

    private static func milliseconds(since start: Int64) -> Double {
        Double(SystemClock().monotonicNanoseconds() - start) / 1e6
    }
}
