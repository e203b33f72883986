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

    package func now() -> Timestamp { Self.read(CLOCK_REALTIME) }
    package func monotonicNanoseconds() -> Int64 { Self.read(CLOCK_MONOTONIC).nanoseconds }

    package func reading() -> ClockReading {
        ClockReading(
            wall: now(), bootID: SystemBoot.identity,
            bootNanoseconds: SystemBoot.nanoseconds ?? Self.read(CLOCK_BOOTTIME).nanoseconds)
    }

    /// A clock of any year is read: beyond what a timestamp holds, as its end.
    private static func read(_ clock: clockid_t) -> Timestamp {
        var time = timespec()
        clock_gettime(clock, &time)
        return Timestamp(
            clampingSeconds: Int64(time.tv_sec), nanoseconds: Int64(time.tv_nsec))
    }
}
