import Synchronization
import TestKit

/// Random histories against the oracle, everything re-read after every step.
struct ModelSuite {
    let options: TortureOptions

    static let profile = History.Profile(
        stepCount: 100..<301, snapshotsMaximum: 3..<31, chunkCount: 1..<90,
        cellBytes: [512, 512, 128])

    /// How many steps lie between two looks at extents and the areas' maps.
    private static let closeLookInterval = 4

    func run() -> SuiteResult {
        let operations = Atomic(0)
        let budget = options.modelOperations
        let pool = HistoryPool(suite: "model", options: options, profile: Self.profile)
        var result = pool.run(isEnough: { operations.load(ordering: .relaxed) >= budget }) {
            operations.wrappingAdd($0.steps.count, ordering: .relaxed)
            return Self.failure(of: $0)
        }
        result.summary = "\(operations.load(ordering: .relaxed)) operations"
        return result
    }

    private static func failure(of history: History) -> String? {
        var place = "at the beginning"
        do {
            let run = try HistoryRun(history: history)
            try run.verify()
            for (index, step) in history.steps.enumerated() {
                place = "step \(index), \(step)"
                try run.perform(step)
                try run.verify()
                let isCloseLook = index.isMultiple(of: closeLookInterval)
                // It brings the log of first writes into the origin.
                if isCloseLook || !history.hasWriteBack { try run.checkPlan() }
                try run.verifyState()
                if isCloseLook { try run.verifyClosely() }
            }
            place = "at the end"
            try run.verifyClosely()
            try run.reopen(cleanly: true)
            try run.verify()
            try run.verifyState()
            try run.finishMerge()
            try run.verify()
            try run.verifyState()
        } catch {
            return "\(place): \(error)"
        }
        return nil
    }
}
