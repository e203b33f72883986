package import SnapshotModel

/// A rate that holds for a part of each day.
package struct RateHours: Hashable, Sendable, Codable {
    package var hours: DayHours
    /// Bytes per second; nil is without a limit.
    package var bytesPerSecond: Int?

    package init(_ hours: DayHours, bytesPerSecond: Int?) {
        self.hours = hours
        self.bytesPerSecond = bytesPerSecond
    }

    enum CodingKeys: String, CodingKey {
        case hours
        case bytesPerSecond = "limit"
    }
}

/// A rate by the hour of the day.
package struct DailyRates: Hashable, Sendable {
    /// Bytes per second when no part of the day says anything else; nil is without a limit.
    package var standard: Int?
    /// Where several hold, the lowest does.
    package var parts: [RateHours]

    package init(_ standard: Int?, _ parts: [RateHours] = []) {
        self.standard = standard
        self.parts = parts
    }

    /// Whether nothing is ever limited.
    package var isUnlimited: Bool {
        standard == nil && parts.allSatisfy { $0.bytesPerSecond == nil }
    }

    /// The rate at a moment, by what the clocks of a zone show then: where they are put forward or back, the hours go with
    /// them. Nil is without a limit.
    package func rate(at moment: Timestamp, in zone: TimeZoneRules) -> Int? {
        let clock = zone.wallClock(at: moment)
        let now = parts.filter { $0.hours.contains(clock) }
        return now.isEmpty ? standard : now.compactMap(\.bytesPerSecond).min()
    }
}
