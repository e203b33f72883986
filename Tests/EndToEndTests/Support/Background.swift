import Foundation
import Synchronization

/// Work in a thread of its own: clients block, and a pool's threads are few.
final class Background<Value: Sendable>: Sendable {
    private let outcome = Mutex<Result<Value, any Error>?>(nil)
    private let isStopped = Atomic(false)
    private let hasEnded = DispatchSemaphore(value: 0)

    /// - Parameter body: asks its argument whether to stop.
    init(_ body: @escaping @Sendable (_ isWanted: () -> Bool) throws -> Value) {
        Thread.detachNewThread { [self] in
            let result = Result { try body { !isStopped.load(ordering: .relaxed) } }
            outcome.withLock { $0 = result }
            hasEnded.signal()
        }
    }

    /// Asks it to stop and waits for its result.
    @discardableResult
    func stop() throws -> Value {
        isStopped.store(true, ordering: .relaxed)
        return try join()
    }

    /// Waits until it ends by itself. Call this or ``stop()`` once.
    func join() throws -> Value {
        hasEnded.wait()
        guard let result = outcome.withLock({ $0 }) else { throw CancellationError() }
        return try result.get()
    }
}
