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

    /// What somebody took a time for.
    ///
    /// - Parameters:
    ///   - began: when, in microseconds since the beginning.
    ///   - taken: how long it took; until now by default.
    @discardableResult
    func note(
        _ text: String, of who: String, _ phase: MachineStep.Phase, since began: Int64,
        taken: Int64? = nil
    ) -> Int64 {
        let now = microseconds
        let end = taken.map { min(now, max(began, began.addingClamped($0))) } ?? now
        steps.append(
            MachineStep(
                atMicroseconds: end, text: text, who: who, phase: phase,
                beganMicroseconds: min(began, end)))
        return end
    }
}
