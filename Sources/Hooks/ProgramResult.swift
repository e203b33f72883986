internal import Glibc

/// How a program of a hook ended.
package struct ProgramResult: Hashable, Sendable, Codable {
    package var ending: Ending
    package var milliseconds: Int
    /// The end of what it wrote on standard output and standard error, ``OutputTail/limitBytes`` at
    /// most.
    package var output: String
    /// It did not even end when it was killed: the kernel holds it.
    package var isStillRunning = false

    package enum Ending: Hashable, Sendable, Codable {
        /// The exit status.
        case exited(Int32)
        /// The number of the signal that ended it, which was not ours.
        case signalled(Int32)
        /// It was ended because its time was up.
        case timedOut
        /// It was ended because the operation was given up.
        case stopped
        /// It never ran: the error's number, and the cause in words.
        case couldNotStart(Int32, cause: String)
        /// Somebody else waited for it.
        case unknown
        /// What was posted was answered, with HTTP's status.
        case answered(Int)
        /// It was not answered: the cause in words. It may have come there.
        case notAnswered(String)
    }

    package var hasSucceeded: Bool {
        if case .answered(let status) = ending { return (200...299).contains(status) }
        return ending == .exited(0)
    }

    /// Whether the program ran at all.
    package var hasRun: Bool {
        if case .couldNotStart = ending { false } else { true }
    }

    /// A signal that means "end" came from elsewhere, as when a service is stopped.
    var wasAskedToEnd: Bool {
        [.signalled(SIGTERM), .signalled(SIGINT), .signalled(SIGHUP)].contains(ending)
    }

    /// How it ended, for messages: `ended with exit status 3`.
    package var text: String {
        let text =
            switch ending {
            case .exited(let status): "ended with exit status \(status)"
            case .signalled(let signal): "was ended by signal \(signal)"
            case .timedOut: "was ended because it ran longer than its timeout"
            case .answered(let status): "was answered \(status)"
            case .notAnswered(let cause): "was not answered: \(cause)"
            case .stopped: "was ended because the operation was given up"
            case .couldNotStart(_, let cause): "could not be started: \(cause)"
            case .unknown: "ended in an unknown way"
            }
        return isStillRunning ? text + ", and cannot be killed" : text
    }

    /// The last words of the output, in one line.
    package var lastWords: String {
        let lines = output.split(whereSeparator: \.isNewline).suffix(3)
        return String(lines.joined(separator: " / ").suffix(300))
    }
}
