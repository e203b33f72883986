internal import SnapshotModel

/// A moment from which on something is too late, on the clock that never steps back.
package struct Deadline: Hashable, Sendable {
    private let nanoseconds: Int64

    /// The moment that lies so many milliseconds ahead.
    package init(milliseconds: Int) {
        nanoseconds = SystemClock().monotonicNanoseconds()
            .addingClamped(Int64(milliseconds).multipliedClamped(by: 1_000_000))
    }

    /// Rounded up, so that who waits for it does not wake too early; 0 when it has passed.
    package var remainingMilliseconds: Int {
        let left = nanoseconds.subtractingClamped(SystemClock().monotonicNanoseconds())
        return Int(max(0, left.addingClamped(999_999) / 1_000_000))
    }

    package var hasPassed: Bool { remainingMilliseconds == 0 }
}
