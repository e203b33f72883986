internal import SnapshotModel
internal import System

/// Has the bus served as soon as that can be. What prevents it is said, and tried again: it is no reason to end what
/// else the process does.
package final class BusStart: Sendable {
    private let options: BusOptions
    private let state = Monitored(State())

    private struct State {
        var service: BusService?
        var isStopping = false
        var hasEnded = false
    }

    /// Before it is tried again, in milliseconds.
    private static let retryMilliseconds = 5_000

    /// Returns when the bus is served, or must be tried again.
    package init(_ options: BusOptions) {
        self.options = options
        guard !attempt(), !tryAgainBehind() else { return }
        state.withLock { $0.hasEnded = true }
        options.onNote("programs are not served: the system gives no more threads")
    }

    private func tryAgainBehind() -> Bool {
        let thread = try? BackgroundThread.startIfPossible(name: "snapmgr-bus-try") { [self] in
            while !isStopping(within: Self.retryMilliseconds), !attempt() {}
            state.change { $0.hasEnded = true }
        }
        return thread != nil
    }

    private func isStopping(within milliseconds: Int) -> Bool {
        state.wait(milliseconds: milliseconds) { $0.isStopping ? true : nil } ?? false
    }

    private func attempt() -> Bool {
        do throws(Problem) {
            let service = try BusService.start(options)
            state.change { $0.service = service }
            options.onNote("serving programs on the bus \(options.address.text)")
            return true
        } catch {
            options.onNote("programs are not served: \(error.message): trying again")
            return false
        }
    }

    /// Ends jobs and rounds: nobody stays frozen.
    package func stop() {
        state.change { $0.isStopping = true }
        let service = state.wait { state -> BusService?? in
            state.service != nil || state.hasEnded ? .some(state.service) : nil
        }
        service??.stop()
    }
}
