internal import Glibc
package import SnapshotModel

/// Where the time comes from; tests bring their own.
package protocol Clock: Sendable {
    /// The wall clock.
    func now() -> Timestamp
    /// A clock that never steps back, in nanoseconds.
    func monotonicNanoseconds() -> Int64
    /// The wall clock, and how long the machine has run.
    func reading() -> ClockReading
}

package struct SystemClock: Clock {
    package init() {}

    package func now() -> Timestamp {
        let time = Self.read(CLOCK_REALTIME)
        return Timestamp(clampingSeconds: time.seconds, nanoseconds: time.nanoseconds)
    }

    package func monotonicNanoseconds() -> Int64 { Self.count(CLOCK_MONOTONIC) }

    package func reading() -> ClockReading {
        ClockReading(
            wall: now(), bootID: SystemBoot.identity,
            bootNanoseconds: SystemBoot.nanoseconds ?? Self.count(CLOCK_BOOTTIME))
    }

    /// The nanoseconds of a clock that counts from the machine's start.
    private static func count(_ clock: clockid_t) -> Int64 {
        let time = read(clock)
        return time.seconds.multipliedClamped(by: 1_000_000_000).addingClamped(time.nanoseconds)
    }

    private static func read(_ clock: clockid_t) -> (seconds: Int64, nanoseconds: Int64) {
        var time = timespec()
        clock_gettime(clock, &time)
        return (Int64(time.tv_sec), Int64(time.tv_nsec))
    }
}
