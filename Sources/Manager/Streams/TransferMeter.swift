internal import SnapshotModel
internal import System

/// Tells how far something is that moves bytes.
final class TransferMeter {
    private let context: ManagerContext
    private let activity: OperationProgress.Activity
    private let volume: String
    private let totalBytes: Int
    private let start: Int64
    private var doneBytes = 0

    init(
        _ context: ManagerContext, _ activity: OperationProgress.Activity, _ volume: String,
        totalBytes: Int
    ) {
        self.context = context
        self.activity = activity
        self.volume = volume
        self.totalBytes = totalBytes
        start = context.clock.monotonicNanoseconds()
    }

    func add(_ count: Int) {
        guard count > 0 else { return }
        doneBytes = doneBytes.addingClamped(count)
        let seconds = Double(context.clock.monotonicNanoseconds() - start) / 1e9
        let rate = seconds > 0 ? Double(doneBytes) / seconds : 0
        context.tell(
            OperationProgress(
                activity: activity, volume: volume,
                amount: .bytes(
                    TransferProgress(
                        doneBytes: doneBytes, totalBytes: totalBytes,
                        rate: Int(exactly: rate.rounded()) ?? 0))))
    }
}
