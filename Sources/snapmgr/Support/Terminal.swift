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
    /// How many characters a line of results has; nil where nobody sees lines.
    var columnCount: Int?
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
        columnCount = isatty(STDOUT_FILENO) == 1 ? Self.width(environment) : nil
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

    /// The width that the kernel knows, else what the shell says, else that of old.
    private static func width(_ environment: [String: String]) -> Int {
        var size = winsize()
        if ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 {
            return Int(size.ws_col)
        }
        return environment["COLUMNS"].flatMap { Int($0) }.map { max(1, $0) } ?? 80
    }

    /// How a word stands out.
    enum Emphasis: CaseIterable {
        /// Something has to be done.
        case bad
        /// Something is under way, or rests.
        case passing

        fileprivate var start: String {
            switch self {
            case .bad: "\u{1B}[31m"
            case .passing: "\u{1B}[33m"
            }
        }
    }

    func text(_ text: String, _ emphasis: Emphasis) -> String {
        showsColor ? emphasis.start + text + Self.boldEnd : text
    }

    /// All that is ever sent beside text.
    static let sequences = [boldStart, boldEnd] + Emphasis.allCases.map(\.start)

    static let boldStart = "\u{1B}[1m"
    static let boldEnd = "\u{1B}[0m"

    func bold(_ text: String) -> String {
        showsColor ? Self.boldStart + text + Self.boldEnd : text
    }
}
