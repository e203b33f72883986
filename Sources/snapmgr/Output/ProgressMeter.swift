import Glibc
import Manager
import SnapshotModel
import Synchronization

/// Draws one line of progress on standard error, over itself, when that is a terminal.
final class ProgressMeter: Sendable {
    private struct Drawing {
        var lastNanoseconds: Int64 = 0
        var drawnCount = 0

        mutating func isDue(isEnd: Bool) -> Bool {
            var time = timespec()
            clock_gettime(CLOCK_MONOTONIC, &time)
            let now = Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
            guard isEnd || now - lastNanoseconds >= intervalNanoseconds else { return false }
            lastNanoseconds = now
            return true
        }
    }

    private let isShown: Bool
    private let drawing = Mutex(Drawing())

    /// Between two drawings.
    private static let intervalNanoseconds: Int64 = 100_000_000

    init(_ terminal: Terminal) { isShown = terminal.showsProgress }

    func update(_ progress: OperationProgress) {
        guard isShown else { return }
        drawing.withLock { drawing in
            guard drawing.isDue(isEnd: progress.isComplete) else { return }
            let text = progress.line
            let padding = String(repeating: " ", count: max(0, drawing.drawnCount - text.count))
            Output.writeError("\r" + text + padding)
            drawing.drawnCount = text.count
        }
    }

    /// Takes the line away, so that what follows begins on a clean one.
    func finish() {
        drawing.withLock { drawing in
            guard drawing.drawnCount > 0 else { return }
            Output.writeError("\r" + String(repeating: " ", count: drawing.drawnCount) + "\r")
            drawing.drawnCount = 0
        }
    }
}

extension OperationProgress {
    fileprivate var isComplete: Bool {
        switch amount {
        case .bytes(let bytes): bytes.doneBytes >= bytes.totalBytes
        case .count(let done, let total): done >= total
        }
    }

    fileprivate var line: String {
        let amount =
            switch amount {
            case .bytes(let bytes):
                DisplayOptions.progress(
                    done: bytes.doneBytes, total: bytes.totalBytes, rate: bytes.rate)
            case .count(let done, let total): "\(done) of \(total)"
            }
        return "\(activity.rawValue) \(volume.escapedForPeople): \(amount)"
    }
}
