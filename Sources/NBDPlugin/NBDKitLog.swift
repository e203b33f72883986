internal import System
internal import CNBDKit
internal import Glibc
internal import Logging
internal import ServiceLog
internal import ShellWords
internal import SnapshotModel

/// Where the plugin's messages go: nbdkit's log, which knows errors and debugging; and the journal,
/// each with its priority, where that reads them.
enum NBDKitLog {
    private static let logger = Logger(
        "nbdkit",
        ServiceLogHandler(logLevel: .debug) { level, line in
            if level <= .debug {
                snapmgr_nbdkit_debug(line)
            } else if stream.tellsPriorities {
                snapmgr_put_error_line(stream.text("nbdkit: snapmgr: \(line)", at: level))
            } else {
                snapmgr_nbdkit_error(line)
            }
        })

    private static let stream = ServiceStream(
        journal: getenv("JOURNAL_STREAM").map { String(cString: $0) })

    static func error(_ message: String) { logger.error("\(message)") }
    static func warning(_ message: String) { logger.warning("\(message)") }
    static func notice(_ message: String) { logger.notice("\(message)") }
    static func debug(_ message: String) { logger.debug("\(message)") }

    /// What goes wrong while a volume is served, or is found.
    static func report(_ advice: Advice) { warning(Wording.shell.text(advice)) }

    /// A problem with its hint, in one line.
    static func error(_ problem: Problem) { error(Wording.shell.text(problem.sentence)) }
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
