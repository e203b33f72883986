internal import BlockIO

/// The hand on a running copy: its limit, pause and end, from any thread.
package final class CopyControl: Sendable {
    private let monitor = Monitor()
    private let state = State()

    /// What the monitor guards.
    private final class State: @unchecked Sendable {
        var isPaused = false
        var isCancelled = false
        var bytesPerSecond: Int?
        /// Bytes that may be copied now without waiting; refilled as time passes.
        var allowance = 0.0
        var refilledAt: Int64 = 0
    }

    package init() {}

    package func pause() { change { $0.isPaused = true } }
    package func resume() { change { $0.isPaused = false } }
    package func cancel() { change { $0.isCancelled = true } }

    /// Limits the copy to so many bytes per second; nil lifts the limit.
    package func throttle(bytesPerSecond: Int?) {
        change {
            $0.bytesPerSecond = bytesPerSecond
            $0.allowance = 0
            $0.refilledAt = 0
        }
    }

    package var isPaused: Bool { monitor.withLock { state.isPaused } }
    package var isCancelled: Bool { monitor.withLock { state.isCancelled } }
    package var bytesPerSecond: Int? { monitor.withLock { state.bytesPerSecond } }

    private func change(_ body: (State) -> Void) {
        monitor.withLock { body(state) }
        monitor.broadcast()
    }

    /// Waits until `byteCount` more bytes may be copied; false when the copy was paused or
    /// cancelled. Bursts of a tenth of a second are let through at once.
    package func admit(byteCount: Int) -> Bool {
        monitor.lock()
        defer { monitor.unlock() }
        while true {
            if state.isCancelled || state.isPaused { return false }
            guard let limit = state.bytesPerSecond, limit > 0 else { return true }
            refill(limit: Double(limit))
            if state.allowance > 0 {
                // Overdrawn for one admission at most, so that a request above the limit passes.
                state.allowance -= Double(byteCount)
                return true
            }
            let wait = -state.allowance / Double(limit) * 1000
            monitor.wait(milliseconds: max(1, min(200, Int(wait))))
        }
    }

    private func refill(limit: Double) {
        let now = SystemClock().monotonicNanoseconds()
        if state.refilledAt == 0 {
            state.allowance = limit / 10
        } else {
            let seconds = Double(now - state.refilledAt) / 1e9
            state.allowance = min(limit / 10, state.allowance + seconds * limit)
        }
        state.refilledAt = now
    }
}
