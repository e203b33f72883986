import Glibc
import TestKit

/// How much to do, and whether to replay one history.
struct TortureOptions: Sendable {
    /// Replays this one history and no other.
    var seed = Self.number("SNAPMGR_SEED").map(UInt64.init)
    /// Steps of the model test, over all histories.
    var modelOperations = Self.number("SNAPMGR_MODEL_OPERATIONS") ?? 20_000
    /// Crash images that are recovered and verified.
    var crashPoints = Self.number("SNAPMGR_CRASH_POINTS") ?? 60_000
    /// Failed operations that are recovered from.
    var faultPoints = Self.number("SNAPMGR_FAULT_POINTS") ?? 25_600
    /// And at least so many of them are failed look-ups.
    var faultLookUps: Int { Self.number("SNAPMGR_FAULT_LOOKUPS") ?? faultPoints / 40 * 29 }
    var stressSeconds = Self.number("SNAPMGR_STRESS_SECONDS") ?? 10
    /// Histories that run at once.
    var workers = Self.number("SNAPMGR_WORKERS") ?? WorkerThreads.processorCount

    private static func number(_ name: String) -> Int? {
        guard let text = getenv(name).map({ String(cString: $0) }), !text.isEmpty else {
            return nil
        }
        guard let number = Int(text), number >= 0 else {
            Console.refuse("\(name) is not a number: \(text)")
        }
        return number
    }
}
