internal import System
package import StoreFormat

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
        var interruptions = 0
    }

    /// What came of a wait for the throttle.
    package enum Admission: Sendable {
        case admitted
        /// The copy was paused or cancelled.
        case stopped
        /// The time to wait is not over, but the patience is, or somebody interrupted.
        case waiting
    }

    package init() {}

    package func pause() { change { $0.isPaused = true } }
    package func resume() { change { $0.isPaused = false } }
    package func cancel() { change { $0.isCancelled = true } }

    /// Ends the waiting of those who have a limited patience.
    package func interrupt() { change { $0.interruptions += 1 } }

    /// Limits the copy to so many bytes per second; nil lifts the limit.
    package func throttle(bytesPerSecond: Int?) {
        change {
            $0.bytesPerSecond = bytesPerSecond
            $0.allowance = 0
            $0.refilledAt = 0
        }
    }

    /// The throttle and the pause, as they are kept over a restart.
    package var limits: MergeLimits {
        get {
            monitor.withLock {
                MergeLimits(bytesPerSecond: state.bytesPerSecond, isPaused: state.isPaused)
            }
        }
        set {
            throttle(bytesPerSecond: newValue.bytesPerSecond)
            change { $0.isPaused = newValue.isPaused }
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
        admit(byteCount: byteCount, patienceMilliseconds: nil) == .admitted
    }

    /// As ``admit(byteCount:)``, for so many milliseconds at most: a slow throttle may ask for days,
    /// and the one who waits have other things to do.
    package func admit(byteCount: Int, patienceMilliseconds: Int?) -> Admission {
        let deadline = patienceMilliseconds.map { Deadline(milliseconds: $0) }
        monitor.lock()
        defer { monitor.unlock() }
        let interruptions = state.interruptions
        while true {
            if state.isCancelled || state.isPaused { return .stopped }
            guard let limit = state.bytesPerSecond, limit > 0 else { return .admitted }
            refill(limit: Double(limit))
            if state.allowance > 0 {
                // Overdrawn for one admission at most, so that a request above the limit passes.
                state.allowance -= Double(byteCount)
                return .admitted
            }
            var wait = max(1, Int(min(200, -state.allowance / Double(limit) * 1000)))
            if let deadline {
                guard !deadline.hasPassed, state.interruptions == interruptions else {
                    return .waiting
                }
                wait = min(wait, deadline.remainingMilliseconds)
            }
            monitor.wait(milliseconds: wait)
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
