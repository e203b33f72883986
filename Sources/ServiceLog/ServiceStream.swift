internal import System
package import Logging

/// Lines on standard error. Where systemd's journal reads them each begins with its priority
/// (sd-daemon(3)), so that `journalctl -p warning` tells warnings from notes.
package struct ServiceStream: Sendable {
    private let isJournal: Bool

    package init(isJournal: Bool) { self.isJournal = isJournal }

    /// Finds out who reads standard error. Source: systemd.exec(5), `JOURNAL_STREAM`: the device and
    /// inode of the file that systemd has connected the streams to.
    ///
    /// - Parameter journal: the variable's value; nil when there is none.
    package init(journal: String?) {
        self.init(isJournal: Self.leadsToJournal(2, journal))
    }

    static func leadsToJournal(_ descriptor: Int32, _ stream: String?) -> Bool {
        guard let stream,
            let status = try? FileStatus(descriptor: descriptor, path: "standard error")
        else { return false }
        return stream == "\(status.device):\(status.inode)"
    }

    /// The same text, as it is to be written.
    package func text(_ text: String, at level: Logger.Level) -> String {
        guard isJournal else { return text }
        return text.split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.isEmpty ? "" : "<\(level.priority)>\($0)" }.joined(separator: "\n")
    }

    /// Whether each line has its priority.
    package var tellsPriorities: Bool { isJournal }
}

extension Logger.Level {
    /// Syslog's number.
    fileprivate var priority: Int {
        switch self {
        case .critical: 2
        case .error: 3
        case .warning: 4
        case .notice: 5
        case .info: 6
        case .debug, .trace: 7
        }
    }
}
