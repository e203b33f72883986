internal import BlockIO
internal import SnapshotModel

/// Lets one at a time do something that spans calls and threads.
final class Turn: Sendable {
    private let monitor = Monitor()
    private let holder = Holder()

    private final class Holder: @unchecked Sendable { var isTaken = false }

    func take() {
        monitor.withLock {
            while holder.isTaken { monitor.wait() }
            holder.isTaken = true
        }
    }

    /// As ``take()``, but gives up after some milliseconds; false then.
    func take(waitingMilliseconds: Int) -> Bool {
        let clock = SystemClock()
        let deadline = clock.monotonicNanoseconds()
            .addingClamped(Int64(waitingMilliseconds).multipliedClamped(by: 1_000_000))
        return monitor.withLock {
            while holder.isTaken {
                let rest = Int((deadline - clock.monotonicNanoseconds()) / 1_000_000)
                guard rest > 0 else { return false }
                monitor.wait(milliseconds: rest)
            }
            holder.isTaken = true
            return true
        }
    }

    func give() {
        monitor.withLock { holder.isTaken = false }
        monitor.broadcast()
    }

    func during<Result, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        take()
        defer { give() }
        return try body()
    }
}
