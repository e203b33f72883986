package import SnapshotModel

/// Points in time that come again, in systemd's syntax for calendar events (systemd.time(7), as of
/// systemd 252): `Mon..Fri *-*-* 09..18:00/15`, `*-02~01`, `hourly`, `daily Europe/Vienna`.
///
/// How its times of day become moments where clocks change is in `SlotSearch`.
package struct CalendarExpression: Hashable, Sendable {
    /// Bit 0 is Monday; all seven when none is named.
    var weekdays: UInt8 = Self.allWeekdays
    var years: CalendarChain = []
    var months: CalendarChain = []
    var days: CalendarChain = []
    /// Whether `days` are counted from the end of the month: `~`.
    var countsDaysFromEnd = false
    var hours: CalendarChain = []
    var minutes: CalendarChain = []
    /// In millionths of a second; never empty.
    var seconds: CalendarChain = []

    /// The time zone at the end of the expression, for the caller to resolve: `UTC` or a name of
    /// the tz database, well-formed but perhaps of no zone; nil when there is none.
    package internal(set) var zoneName: String?

    /// What is searched, made from the fields above.
    var pattern = CalendarPattern()

    static let allWeekdays: UInt8 = 0b111_1111

    /// For the parser, which fills the fields.
    init() {}

    package init(parsing text: String) throws(SyntaxError) {
        var parser = try CalendarParser(text)
        self = try parser.parse()
    }

    /// The first slot after a moment; nil when there is none before the year 2501.
    package func next(after moment: Timestamp, in zone: TimeZoneRules) -> Timestamp? {
        SlotSearch(pattern: pattern, zone: zone).next(after: moment)
    }

    /// The last slot at or before a moment; nil when there is none since 1970.
    package func latest(notAfter moment: Timestamp, in zone: TimeZoneRules) -> Timestamp? {
        SlotSearch(pattern: pattern, zone: zone).latest(notAfter: moment)
    }
}
