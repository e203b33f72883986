import System

/// A value that one thread at a time can touch.
///
/// Not `Mutex`: the thread sanitizer does not see that one's futex, and takes every access that it
/// guards for a race.
final class Guarded<Value>: @unchecked Sendable {
    private let monitor = Monitor()
    private var value: Value

    init(_ value: sending Value) { self.value = value }

    func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        monitor.lock()
        defer { monitor.unlock() }
        return try body(&value)
    }
}
