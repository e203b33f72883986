import Glibc
import SnapshotModel

/// Draws one line of progress on standard error, over itself, when that is a terminal.
final class ProgressMeter {
    private let isShown: Bool
    private var lastNanoseconds: Int64 = 0
    private var drawnCount = 0

    /// Between two drawings.
    private static let intervalNanoseconds: Int64 = 100_000_000

    init(_ terminal: Terminal) { isShown = terminal.showsProgress }

    func update(_ title: String, _ progress: TransferProgress) {
        guard isShown, isDue(isEnd: progress.doneBytes >= progress.totalBytes) else { return }
        let text =
            "\(title.escapedForPeople): "
            + DisplayOptions.progress(
                done: progress.doneBytes, total: progress.totalBytes, rate: progress.rate)
        let padding = String(repeating: " ", count: max(0, drawnCount - text.count))
        Output.writeError("\r" + text + padding)
        drawnCount = text.count
    }

    /// Takes the line away, so that results begin on a clean one.
    func finish() {
        guard drawnCount > 0 else { return }
        Output.writeError("\r" + String(repeating: " ", count: drawnCount) + "\r")
        drawnCount = 0
    }

    private func isDue(isEnd: Bool) -> Bool {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        let now = Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
        guard isEnd || now - lastNanoseconds >= Self.intervalNanoseconds else { return false }
        lastNanoseconds = now
        return true
    }
}
