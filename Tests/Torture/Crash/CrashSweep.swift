import System
import SnapshotModel
import TestKit

/// Runs one history and takes crash images while it runs.
final class CrashSweep {
    private let history: History
    /// The number of images to take, besides those of crashes during recovery.
    private let quota: Int
    /// Images that were recovered and verified.
    private(set) var points = 0
    private var operationCount = 0
    private var operationTotal = 0
    private var message: String?

    init(history: History, quota: Int) {
        self.history = history
        self.quota = quota
    }

    /// What is wrong; nil when every crash was survived.
    func failure() -> String? {
        do {
            operationTotal = try countOperations()
            let run = try HistoryRun(history: history)
            for (index, step) in history.steps.enumerated() {
                run.disk.observer = { [unowned self, unowned run] operation in
                    LockOrder.elsewhere { crash(run, before: operation, in: step) }
                }
                try run.perform(step)
                run.disk.observer = nil
                if let message { return "step \(index), \(step): \(message)" }
            }
        } catch {
            return "without a crash: \(error)"
        }
        return nil
    }

    private func countOperations() throws -> Int {
        let run = try HistoryRun(history: history)
        var count = 0
        run.disk.observer = { operation in if operation.kind.changesDisk { count += 1 } }
        for step in history.steps { try run.perform(step) }
        run.disk.observer = nil
        return count
    }

    private func crash(_ run: HistoryRun, before operation: DiskOperation, in step: HistoryStep) {
        guard operation.kind.changesDisk, message == nil, operationTotal > 0 else { return }
        let index = operationCount
        operationCount += 1
        let due = (index + 1) * quota / operationTotal - index * quota / operationTotal
        for number in 0..<due {
            // The same for every run of the history, whatever other images are taken.
            let random = SeededGenerator(seed: history.seed).forked(UInt64(index * 64 + number))
            let check = CrashCheck(run: run, random: random)
            if let reason = check.failure() {
                message = "\(check.mode) crash before \(operation): \(reason)"
            }
            points += check.points
        }
    }
}
