/// The barrier of a volume: many operations pass at once, or one holder keeps all of them out.
///
/// A holder that waits keeps new operations from entering, so that a steady load cannot starve it.
package final class Gate: Sendable {
    private let monitor = Monitor()
    private let state = GateState()

    package init() {}

    package func enter() {
        monitor.lock()
        while state.isClosed { monitor.wait() }
        state.inside += 1
        monitor.unlock()
    }

    package func leave() {
        monitor.lock()
        state.inside -= 1
        let isDrained = state.isClosed && state.inside == 0
        monitor.unlock()
        if isDrained { monitor.broadcast() }
    }

    /// Keeps new operations out and returns when those inside have left.
    package func close() {
        monitor.lock()
        while state.isClosed { monitor.wait() }
        state.isClosed = true
        while state.inside > 0 { monitor.wait() }
        monitor.unlock()
    }

    package func open() {
        monitor.lock()
        state.isClosed = false
        monitor.unlock()
        monitor.broadcast()
    }

    package func pass<Result, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        enter()
        defer { leave() }
        return try body()
    }
}

/// What a gate's monitor guards.
private final class GateState: @unchecked Sendable {
    var inside = 0
    var isClosed = false
}
