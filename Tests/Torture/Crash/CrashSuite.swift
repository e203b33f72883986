import Synchronization
import TestKit

/// A crash at every operation on the disk: what the next start finds must be what was promised.
struct CrashSuite {
    let options: TortureOptions

    static let profile = History.Profile(
        stepCount: 30..<60, snapshotsMaximum: 2..<7, chunkCount: 4..<64, cellBytes: [512])

    /// Crash points taken from one history; more histories find more than denser sweeps do.
    private static let pointsPerHistory = 500

    func run() -> SuiteResult {
        let points = Atomic(0)
        let budget = options.crashPoints
        let pool = HistoryPool(suite: "crash", options: options, profile: Self.profile)
        var result = pool.run(isEnough: { points.load(ordering: .relaxed) >= budget }) { history in
            let sweep = CrashSweep(history: history, quota: Self.pointsPerHistory)
            let message = sweep.failure()
            points.wrappingAdd(sweep.points, ordering: .relaxed)
            return message
        }
        result.summary = "\(points.load(ordering: .relaxed)) crash points"
        return result
    }
}
