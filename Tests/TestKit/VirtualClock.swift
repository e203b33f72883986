internal import System
package import SnapshotModel
internal import Synchronization

/// A clock that only tests move, but that never shows the same moment twice.
package final class VirtualClock: System.Clock {
    private let nanoseconds: Atomic<Int64>
    private let bootID: String

    /// 2026-01-01T00:00:00Z, in nanoseconds since 1970.
    package static let start: Int64 = 1_767_225_600_000_000_000

    /// - Parameter bootID: tells one start of the machine from another.
    package init(nanoseconds: Int64 = VirtualClock.start, bootID: String = "virtual") {
        self.bootID = bootID
        self.nanoseconds = Atomic(nanoseconds)
    }

    package func now() -> Timestamp { Timestamp(stored: tick()) }
    package func monotonicNanoseconds() -> Int64 { tick() }

    /// Both clocks move together.
    package func reading() -> ClockReading {
        let now = now()
        return ClockReading(
            wall: now, bootID: bootID, bootNanoseconds: now.stored - Self.start)
    }

    package func advance(bySeconds seconds: Int64) {
        nanoseconds.wrappingAdd(seconds * 1_000_000_000, ordering: .relaxed)
    }

    private func tick() -> Int64 {
        nanoseconds.wrappingAdd(1000, ordering: .relaxed).newValue
    }
}
