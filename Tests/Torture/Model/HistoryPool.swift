import System
import Synchronization
import TestKit

/// What a suite has come to.
struct SuiteResult: Sendable {
    var passed = 0
    var failed = 0
    /// How much was done, in words: `20000 operations`.
    var summary = ""
}

/// Runs histories on several threads, and reports those that fail.
struct HistoryPool: Sendable {
    let suite: String
    let options: TortureOptions
    let profile: History.Profile

    /// No more histories are begun when so many have failed: one bug fails many of them.
    private static let failuresMaximum = 5

    /// Runs the histories of the seeds 1, 2, 3 ... as long as `isEnough` is not true, or the one
    /// that is to be replayed. `check` returns what is wrong with a history, nil when it passes.
    func run(
        isEnough: @escaping @Sendable () -> Bool,
        _ check: @escaping @Sendable (History) -> String?
    ) -> SuiteResult {
        let next = Atomic<UInt64>(options.seed ?? 1)
        let result = Guarded(SuiteResult())
        WorkerThreads.run(options.seed == nil ? options.workers : 1) { worker in
            while !isEnough(), result.withLock({ $0.failed < Self.failuresMaximum }) {
                let seed = next.wrappingAdd(1, ordering: .relaxed).oldValue
                guard options.seed == nil || options.seed == seed else { return }
                CrashNote.begin(seed, worker: worker)
                let history = History(seed: seed, profile: profile)
                let message = check(history)
                result.withLock { if message == nil { $0.passed += 1 } else { $0.failed += 1 } }
                if let message { report(history, message, check) }
            }
        }
        return result.withLock { $0 }
    }

    /// The end of a message without its numbers: what tells one bug from another while a history is
    /// being shortened.
    private static func kind(of message: String) -> String {
        String(message.filter(\.isLetter).suffix(40))
    }

    private func report(
        _ history: History, _ message: String, _ check: (History) -> String?
    ) {
        let kind = Self.kind(of: message)
        let shortened = Shortener(seconds: 30).shorten(history) {
            check($0).map(Self.kind(of:)) == kind
        }
        let steps = shortened.steps.map { "    \($0)" }.joined(separator: "\n")
        Console.say(
            """
            FAILED \(suite), seed \(history.seed): \(message)
              \(history)
              shortened to \(shortened.steps.count) steps: \(check(shortened) ?? "passes now")
            \(steps)
              replay: SNAPMGR_SEED=\(history.seed) snapmgr-torture \(suite)
            """)
    }
}
