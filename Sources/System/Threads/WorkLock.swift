/// Lets one at a time do something that spans calls and threads, with all the I/O that it needs.
package final class WorkLock: Sendable {
    private let rank: LockRank
    private let monitor = Monitor()
    private let holder = Holder()

    private final class Holder: @unchecked Sendable { var isTaken = false }

    package init(_ rank: LockRank) { self.rank = rank }

    /// Whoever takes it so may give it back in another thread: only ``during(_:)`` has its rank noted.
    package func take() {
        LockOrder.require(rank)
        monitor.withLock {
            while holder.isTaken { monitor.wait() }
            holder.isTaken = true
        }
    }

    /// As ``take()``, but gives up after some milliseconds; false then.
    package func take(waitingMilliseconds: Int) -> Bool {
        LockOrder.require(rank)
        let deadline = Deadline(milliseconds: waitingMilliseconds)
        return monitor.withLock {
            while holder.isTaken {
                guard !deadline.hasPassed else { return false }
                monitor.wait(milliseconds: deadline.remainingMilliseconds)
            }
            holder.isTaken = true
            return true
        }
    }

    package func give() {
        monitor.withLock { holder.isTaken = false }
        monitor.broadcast()
    }

    package func during<Result, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        take()
        LockOrder.take(rank)
        defer {
            LockOrder.give(rank)
            give()
        }
        return try body()
    }
}
