package import SnapshotModel

/// When a schedule's slots are.
package enum Timetable: Hashable, Sendable {
    /// Aligned to the clock on the wall, from one minute up:
    ///
    /// * a span that divides a day (15m, 2h, 1d) to midnight;
    /// * a span of several whole days (2d, 1w) to midnight of Monday, 1970-01-05, so that a week
    ///   begins on Monday;
    /// * any other (7m, 5h, 36h) to midnight of 1970-01-01, so that it drifts through the day.
    ///
    /// Where clocks change, a span of up to an hour keeps its distance: 15 minutes are always 15
    /// minutes, also where clocks change by 30 minutes. Should its times on the clock move by the
    /// change (hourly on Lord Howe Island), the distance across it is shorter, never longer. A
    /// longer span keeps its times on the clock, and its distances differ: 02:00 that is skipped is
    /// served at the jump, 02:00 that comes twice the first time. `SlotSearch` has the details.
    case every(TimeSpan)
    case calendar(CalendarExpression)

    /// The shortest span that `every` takes.
    package static let shortestSpan = TimeSpan.minute

    /// The first slot after a moment; nil when there is none before the year 2501.
    package func nextSlot(after moment: Timestamp, in zone: TimeZoneRules) -> Timestamp? {
        switch self {
        case .every(let span):
            SlotSearch(pattern: Self.pattern(span), zone: zone).next(after: moment)
        case .calendar(let expression):
            expression.next(after: moment, in: zone)
        }
    }

    /// The last slot at or before a moment; nil when there is none since 1970.
    package func latestSlot(notAfter moment: Timestamp, in zone: TimeZoneRules) -> Timestamp? {
        switch self {
        case .every(let span):
            SlotSearch(pattern: Self.pattern(span), zone: zone).latest(notAfter: moment)
        case .calendar(let expression):
            expression.latest(notAfter: moment, in: zone)
        }
    }

    private static func pattern(_ span: TimeSpan) -> IntervalPattern {
        let span = min(max(span, shortestSpan), .longest)
        let isOfWholeDays = span > .day && span.seconds % TimeSpan.day.seconds == 0
        let firstMonday = 4 * TimeSpan.day.seconds
        return IntervalPattern(
            distance: span.seconds * 1_000_000,
            anchor: isOfWholeDays ? firstMonday * 1_000_000 : 0)
    }
}

extension Timetable: CustomStringConvertible {
    package var description: String {
        switch self {
        case .every(let span): "every \(span)"
        case .calendar(let expression): expression.description
        }
    }
}
