import BlockIO
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

    /// Runs the histories of the seeds 1, 2, 3 ... or the one that is to be replayed. `check`
    /// returns what is wrong with a history, nil when it passes.
    func run(
        _ count: Int, _ check: @escaping @Sendable (History) -> String?
    ) -> SuiteResult {
        let seeds = options.seed.map { [$0] } ?? (0..<count).map { UInt64($0 + 1) }
        let next = Atomic(0)
        let result = Mutex(SuiteResult())
        WorkerThreads.run(min(options.workers, seeds.count)) { worker in
            while result.withLock({ $0.failed < Self.failuresMaximum }) {
                let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
                guard index < seeds.count else { return }
                CrashNote.begin(seeds[index], worker: worker)
                let history = History(seed: seeds[index], profile: profile)
                let message = check(history)
                result.withLock { if message == nil { $0.passed += 1 } else { $0.failed += 1 } }
                if let message { report(history, message, check) }
            }
        }
        return result.withLock { $0 }
    }

    private func report(
        _ history: History, _ message: String, _ check: (History) -> String?
    ) {
        let shortened = Shortener(seconds: 30).shorten(history) { check($0) != nil }
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
