internal import Scheduler
package import SnapshotModel

/// How people write durations and moments.
package enum TimeText {
    private static let unitSeconds: [Character: Int64] = [
        "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400,
    ]

    /// Reads `90s`, `10m`, `2h`, `1h30m`, `7d`, `2w`, `1y` as seconds; nil when it is not a duration.
    package static func durationSeconds(_ text: some StringProtocol) -> Int64? {
        var total: Int64 = 0
        var rest = Substring(text)
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            rest.removeFirst(digits.count)
            guard let number = Int64(digits), let unit = rest.popFirst(),
                let seconds = unitSeconds[unit]
            else { return nil }
            let (product, overflow) = number.multipliedReportingOverflow(by: seconds)
            let (sum, carried) = total.addingReportingOverflow(product)
            guard !overflow, !carried, sum < maximumSeconds else { return nil }
            total = sum
        }
        return total
    }

    /// A hundred years: what is longer is a slip.
    private static let maximumSeconds: Int64 = 100 * 365 * 86_400

    /// Reads `2026-11-22`, `2026-11-22T12:45` and `2026-11-22T12:45:30` as local times, and RFC 3339
    /// with a final `Z` as UTC; nil when it is not a moment.
    package static func moment(
        _ text: some StringProtocol, in zone: LocalZone
    ) -> Timestamp? {
        guard let utc = Timestamp(text) else { return nil }
        if text.hasSuffix("Z") { return utc }
        return zone.rules.earliestMoment(localSeconds: utc.secondsSinceEpoch)
            .advanced(byNanoseconds: utc.fraction)
    }

    /// `2026-11-22 12:45:30` in a zone.
    package static func describe(_ moment: Timestamp, in zone: LocalZone) -> String {
        let clock = zone.rules.wallClock(at: moment)
        return "\(clock.date) \(clock.hour.padded(to: 2)):\(clock.minute.padded(to: 2))"
            + ":\(clock.second.padded(to: 2))"
    }
}
