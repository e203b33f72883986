internal import BlockIO
internal import CNBDKit
internal import ShellWords
internal import SnapshotModel

/// Where the plugin's messages go: nbdkit's log.
enum NBDKitLog {
    /// Clients choose what the exports are called that they ask for.
    static func error(_ message: String) { snapmgr_nbdkit_error(message.escapedForPeople) }
    static func debug(_ message: String) { snapmgr_nbdkit_debug(message.escapedForPeople) }

    static func report(_ advice: Advice) { error(Wording.shell.text(advice)) }

    /// A problem with its hint, in one line.
    static func error(_ problem: Problem) { report(problem.sentence) }
}

/// Logs what fails again and again - a broken disk, a full store - without flooding the log.
final class FailureLog: Sendable {
    private let state = Monitored(State())
    private let clock: @Sendable () -> Int64

    private static let messagesPerWindow = 10
    private static let windowNanoseconds: Int64 = 10_000_000_000

    private struct State {
        var windowStart: Int64 = 0
        var messages = 0
    }

    /// - Parameter clock: a clock that never steps back, in nanoseconds.
    init(clock: @escaping @Sendable () -> Int64) { self.clock = clock }

    /// Logs a message unless there were too many of late; those are counted, and the count is
    /// logged before the next one.
    func report(_ message: String) {
        let now = clock()
        let (isLogged, suppressed) = state.withLock { state in
            var suppressed = 0
            if now - state.windowStart > Self.windowNanoseconds {
                suppressed = max(0, state.messages - Self.messagesPerWindow)
                state = State(windowStart: now)
            }
            state.messages += 1
            return (state.messages <= Self.messagesPerWindow, suppressed)
        }
        if suppressed > 0 { NBDKitLog.error("\(suppressed) more failures were not logged") }
        if isLogged { NBDKitLog.error(message) }
    }
}
