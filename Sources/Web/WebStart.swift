package import SnapshotModel
internal import System

/// Has the HTTP API served as soon as that can be. What prevents it is said, and tried again, where it is no reason to
/// end what else the process does.
package final class WebStart: Sendable {
    private let options: WebOptions
    private let state = Monitored(State())

    private struct State {
        var service: WebService?
        /// What was said last of why there is none.
        var said: String?
        var isStopping = false
        var hasGivenUp = false
        var isOver = false
    }

    /// Before it is tried again, in milliseconds.
    private static let retryMilliseconds = 5_000

    /// Returns when the API is served, or must be tried again.
    ///
    /// - Parameter mustServe: whether there is nothing else to do.
    /// - Throws: `cannotListen` when it must be served and cannot be.
    package init(_ options: WebOptions, mustServe: Bool) throws(Problem) {
        self.options = options
        do throws(Problem) { try attempt() } catch {
            guard !mustServe else { throw error }
            tell(error)
            tryAgainBehind()
        }
    }

    private func attempt() throws(Problem) {
        let service = try WebService.start(options)
        state.change { $0.service = service }
    }

    private func tell(_ problem: Problem) {
        let isNew = state.withLock { state in
            defer { state.said = problem.message }
            return state.said != problem.message
        }
        if isNew { options.onNote("\(problem.message): going on without HTTP, and trying again") }
    }

    private func tryAgainBehind() {
        let thread = try? BackgroundThread.startIfPossible(name: "snapmgr-web-try") { [self] in
            while !isStopping(within: Self.retryMilliseconds), !isServedNow() {}
            state.change { $0.hasGivenUp = true }
        }
        guard thread == nil else { return }
        state.change { $0.hasGivenUp = true }
        options.onNote("HTTP is not served: the system gives no more threads")
    }

    private func isServedNow() -> Bool {
        do throws(Problem) {
            try attempt()
            options.onNote("serving HTTP on \(options.places)")
            return true
        } catch {
            tell(error)
            return false
        }
    }

    private func isStopping(within milliseconds: Int) -> Bool {
        state.wait(milliseconds: milliseconds) { $0.isStopping ? true : nil } ?? false
    }

    /// Has the certificate read anew, where there is one, and waits for nothing: it may be on a disk that does not answer.
    package func reload() {
        guard let service = state.withLock({ $0.service }) else { return }
        let thread = try? BackgroundThread.startIfPossible(name: "snapmgr-reload") {
            service.reload()
        }
        guard thread == nil else { return }
        options.onNote("the certificate is not read anew: the system gives no more threads")
    }

    // MARK: The end

    /// Begins to end what goes on, while the caller ends something else.
    package func beginEnd() {
        state.change { $0.isStopping = true }
        let thread = try? BackgroundThread.startIfPossible(name: "snapmgr-web-end") { [self] in
            end()
        }
        if thread == nil { end() }
    }

    private func end() {
        let service = state.wait { state -> WebService?? in
            state.service != nil || state.hasGivenUp ? .some(state.service) : nil
        }
        service??.stop()
        state.change { $0.isOver = true }
    }

    /// Returns when all has ended, after ``beginEnd()``.
    package func waitForEnd() { _ = state.wait { $0.isOver ? true : nil } }
}
