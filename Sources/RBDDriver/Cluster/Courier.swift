internal import System

/// Makes calls that may never come back, in a thread of its own, and waits for each no longer than it may take.
final class Courier: Sendable {
    private struct State {
        var call: (@Sendable () -> Int64)?
        var result: Int64?
        /// Somebody waits for a result.
        var isBusy = false
        /// A call was given up: whatever it holds stays held.
        var isLost = false
        var isClosed = false
    }

    private let state = Monitored(State())

    init() {
        let state = state
        BackgroundThread.start(name: "cluster") {
            while let call = state.wait(until: Self.next) {
                guard let call else { return }
                let result = call()
                state.change { $0.result = result }
            }
        }
    }

    deinit { state.change { $0.isClosed = true } }

    /// Whether a call was given up.
    var isLost: Bool { state.withLock { $0.isLost } }

    /// - Returns: nil when the call has not come back in time, and from then on.
    func run(milliseconds: Int, _ call: @escaping @Sendable () -> Int64) -> Int64? {
        LockOrder.requireNoValue()
        let isTaken = state.wait { state -> Bool? in
            guard !state.isLost else { return false }
            guard !state.isBusy else { return nil }
            state.isBusy = true
            return true
        }
        guard isTaken == true else { return nil }
        state.change { $0.call = call }
        defer { state.change { $0.isBusy = false } }
        let result = state.wait(milliseconds: milliseconds) { state -> Int64? in
            defer { state.result = nil }
            return state.result
        }
        if result == nil { state.change { $0.isLost = true } }
        return result
    }

    /// The call to make now, `.some(nil)` when there will be none.
    private static func next(_ state: inout State) -> (@Sendable () -> Int64)?? {
        if let call = state.call {
            state.call = nil
            return .some(call)
        }
        return state.isClosed || state.isLost ? .some(nil) : nil
    }
}
