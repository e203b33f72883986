internal import Glibc
package import SnapshotModel

/// Where the time comes from; tests bring their own.
package protocol Clock: Sendable {
    /// The wall clock.
    func now() -> Timestamp
    /// A clock that never steps back, in nanoseconds.
    func monotonicNanoseconds() -> Int64
}

package struct SystemClock: Clock {
    package init() {}

    package func now() -> Timestamp { Timestamp(nanoseconds: Self.read(CLOCK_REALTIME)) }
    package func monotonicNanoseconds() -> Int64 { Self.read(CLOCK_MONOTONIC) }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
