import Synchronization
import TestKit

/// The k-th operation on the disk fails, for every k, in every way: what was acknowledged stays, and
/// the engine works on, at the latest when it is opened again.
struct FaultSuite {
    let options: TortureOptions

    static let profile = History.Profile(
        stepCount: 12..<30, snapshotsMaximum: 2..<6, chunkCount: 4..<40, cellBytes: [512])

    /// Failures tried on one history: all of a short one's, a part of a longer one's.
    private static let pointsPerHistory = 400

    func run() -> SuiteResult {
        let points = Atomic(0)
        let lookUps = Atomic(0)
        let (budget, lookUpBudget) = (options.faultPoints, options.faultLookUps)
        let isEnough: @Sendable () -> Bool = {
            points.load(ordering: .relaxed) >= budget
                && lookUps.load(ordering: .relaxed) >= lookUpBudget
        }
        let pool = HistoryPool(suite: "faults", options: options, profile: Self.profile)
        var result = pool.run(isEnough: isEnough) { history in
            let sweep = FaultSweep(history: history, quota: Self.pointsPerHistory)
            let message = sweep.failure()
            points.wrappingAdd(sweep.points, ordering: .relaxed)
            lookUps.wrappingAdd(sweep.failedLookUps, ordering: .relaxed)
            return message
        }
        result.summary =
            "\(lookUps.load(ordering: .relaxed)) failed look-ups, "
            + "\(points.load(ordering: .relaxed)) failed operations"
        return result
    }
}
