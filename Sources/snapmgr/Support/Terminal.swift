import Glibc
import Logging
import ServiceLog
import SnapshotModel

/// What stands at the ends of the standard streams.
struct Terminal: Sendable {
    /// Whether results are read by eye.
    let showsColor: Bool
    /// Whether progress can be drawn over itself.
    let showsProgress: Bool
    /// Whether somebody is there to answer.
    let canAsk: Bool
    private let log: Logger

    init(_ global: GlobalOptions, environment: [String: String]) {
        let isDumb = environment["TERM"] == "dumb"
        // https://no-color.org: present and not empty.
        let forbidsColor = environment["NO_COLOR"].map { !$0.isEmpty } ?? false
        showsColor =
            switch global.color {
            case .always: true
            case .never: false
            case .auto: isatty(STDOUT_FILENO) == 1 && !isDumb && !forbidsColor
            }
        showsProgress = isatty(STDERR_FILENO) == 1 && !isDumb && !global.quiet && !global.json
        canAsk = isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1
        log = Logger(
            "snapmgr",
            ServiceLogHandler(logLevel: global.quiet ? .error : .notice) { level, line in
                let text = "snapmgr: \(Self.word(level))\(line)\n"
                Output.writeError(Output.errorStream.text(text, at: level))
            })
    }

    /// A sentence that is not an error; notes come only when something was put right.
    func note(_ text: String) { log.notice("\(text)") }

    /// What stands before a message; errors stand alone.
    private static func word(_ level: Logger.Level) -> String {
        switch level {
        case .trace, .debug, .info, .notice: "note: "
        case .warning: "warning: "
        case .error, .critical: ""
        }
    }

    static let boldStart = "\u{1B}[1m"
    static let boldEnd = "\u{1B}[0m"

    func bold(_ text: String) -> String {
        showsColor ? Self.boldStart + text + Self.boldEnd : text
    }
}
