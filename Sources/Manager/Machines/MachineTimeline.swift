internal import SnapshotModel
internal import System

/// What is done on the way to a snapshot, with its moments. Used by one thread.
final class MachineTimeline {
    private let clock = SystemClock()
    private let start: Int64
    private(set) var steps: [MachineStep] = []

    init() {
        start = clock.monotonicNanoseconds()
    }

    /// Since it began, in microseconds.
    var microseconds: Int64 {
        max(0, clock.monotonicNanoseconds().subtractingClamped(start) / 1000)
    }

    @discardableResult
    func note(_ text: String) -> Int64 {
        let now = microseconds
        steps.append(MachineStep(atMicroseconds: now, text: text))
        return now
    }
}
