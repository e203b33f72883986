/// A value that one thread at a time sees and changes, and for whose change others can wait.
package final class Monitored<Value>: @unchecked Sendable {
    private let monitor: Monitor
    private var value: Value

    package init(_ value: sending Value, _ rank: LockRank = .value) {
        self.value = value
        monitor = Monitor(rank)
    }

    /// Calls with the value, alone; wakes nobody.
    package func withLock<Result, Failure: Error>(
        _ body: (inout Value) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        monitor.lock()
        defer { monitor.unlock() }
        return try body(&value)
    }

    /// As ``withLock(_:)``, and wakes all who wait, so that they look again.
    package func change<Result, Failure: Error>(
        _ body: (inout Value) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { monitor.broadcast() }
        return try withLock(body)
    }

    /// Waits until `body` returns something, which it is asked at once and after each change; nil
    /// when that many milliseconds passed first.
    package func wait<Result>(
        milliseconds: Int? = nil, until body: (inout Value) -> Result?
    ) -> Result? {
        let deadline = milliseconds.map { Deadline(milliseconds: $0) }
        monitor.lock()
        defer { monitor.unlock() }
        while true {
            if let result = body(&value) { return result }
            guard let deadline else {
                monitor.wait()
                continue
            }
            guard !deadline.hasPassed else { return nil }
            monitor.wait(milliseconds: deadline.remainingMilliseconds)
        }
    }
}
