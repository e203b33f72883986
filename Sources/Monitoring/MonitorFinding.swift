internal import SnapshotModel

/// How bad a finding is; the numbers are the exit codes of monitoring plugins.
package enum MonitorSeverity: Int32, Sendable, CaseIterable {
    case ok = 0
    case warning = 1
    case critical = 2
    /// It could not be looked at.
    case unknown = 3

    /// As plugins print it.
    var word: String {
        switch self {
        case .ok: "OK"
        case .warning: "WARNING"
        case .critical: "CRITICAL"
        case .unknown: "UNKNOWN"
        }
    }

    /// What cannot be looked at may be worse than a warning, but hides no alarm.
    var rank: Int {
        switch self {
        case .ok: 0
        case .warning: 1
        case .unknown: 2
        case .critical: 3
        }
    }
}

/// Something that people should know; with `ok`, only if they read on.
struct MonitorFinding: Hashable {
    var severity: MonitorSeverity
    /// What it is about, as `volume data`.
    var subject: String
    var text: Advice

    init(_ severity: MonitorSeverity, _ subject: String, _ text: Advice) {
        self.severity = severity
        self.subject = subject
        self.text = text
    }

    var sentence: Advice { "\(subject): \(text)" }
}

extension [MonitorFinding] {
    /// The worst one's; ok when there is none.
    var severity: MonitorSeverity {
        map(\.severity).max { $0.rank < $1.rank } ?? .ok
    }
}
