internal import Glibc
package import Scheduler
internal import Settings

/// The zone of the times that people write and read without one.
package enum LocalZone: Sendable {
    /// Of `$TZ` or `/etc/localtime`, looked at when a time comes; UTC where they say nothing that is
    /// understood, as with the C library.
    case machine
    case rules(TimeZoneRules)

    package static let utc = LocalZone.rules(.utc)

    package var rules: TimeZoneRules {
        switch self {
        case .machine: Self.machineRules
        case .rules(let rules): rules
        }
    }

    private static let machineRules: TimeZoneRules = {
        var environment: [String: String] = [:]
        for name in ["TZ", "TZDIR"] {
            environment[name] = getenv(name).map { String(cString: $0) }
        }
        return (try? TimeZoneFiles(environment: environment).systemZone().zone) ?? .utc
    }()
}
