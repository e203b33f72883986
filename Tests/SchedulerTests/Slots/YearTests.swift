import SnapshotModel
import Testing

@testable import Scheduler

/// A year of slots, against an oracle that goes through every minute.
@Suite struct YearTests {
    static let zones = [
        "Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata",
        "America/Havana",
    ]

    struct Example: Sendable, CustomTestStringConvertible {
        var text: String
        var runs: Bool
        var isTime: @Sendable (SlotOracle.Reading) -> Bool

        var testDescription: String { text }

        func timetable() throws -> Timetable {
            text.hasPrefix("every ")
                ? .every(try TimeSpan(parsing: String(text.dropFirst(6))))
                : .calendar(try CalendarExpression(parsing: text))
        }
    }

    static let examples = [
        Example(text: "every 15m", runs: true) { $0.minute % 15 == 0 },
        Example(text: "every 10m", runs: true) { $0.minute % 10 == 0 },
        Example(text: "*:0/15", runs: true) { $0.minute % 15 == 0 },
        Example(text: "*:7/15", runs: true) { $0.minute % 15 == 7 },
        Example(text: "Mon..Fri *-*-* 09..18:00/15", runs: false) {
            $0.weekday < 5 && 9...18 ~= $0.hour && $0.minute % 15 == 0
        },
        Example(text: "every 2h", runs: false) { $0.minute == 0 && $0.hour % 2 == 0 },
        Example(text: "every 1d", runs: false) { $0.minute == 0 && $0.hour == 0 },
        Example(text: "every 1w", runs: false) {
            $0.minute == 0 && $0.hour == 0 && $0.weekday == 0
        },
        Example(text: "02:30", runs: false) { $0.hour == 2 && $0.minute == 30 },
        Example(text: "00:30", runs: false) { $0.hour == 0 && $0.minute == 30 },
        Example(text: "02:0/15", runs: false) { $0.hour == 2 && $0.minute % 15 == 0 },
        Example(text: "01,14:15,45", runs: false) {
            [1, 14].contains($0.hour) && [15, 45].contains($0.minute)
        },
        Example(text: "Sun *-*~7/1 02:10", runs: false) {
            $0.weekday == 6 && $0.isInLastWeek && $0.hour == 2 && $0.minute == 10
        },
        Example(text: "*-02-29 12:00", runs: false) {
            $0.month == 2 && $0.day == 29 && $0.hour == 12 && $0.minute == 0
        },
    ]

    /// 2028 is a leap year.
    @Test(arguments: zones, [2026, 2028])
    func slotsAreThoseOfTheOracle(zone: String, year: Int) throws {
        let oracle = SlotOracle(zone: try ZoneOracle.named(zone))
        let rules = try ZoneFixtures.rules(zone)
        let start = try #require(Timestamp("\(year)-01-01")).second
        let end = try #require(Timestamp("\(year + 1)-01-01")).second
        for example in Self.examples {
            let timetable = try example.timetable()
            let expected = oracle.slots(
                from: start, to: end, runs: example.runs, where: example.isTime)
            let slots = Self.slots(of: timetable, in: rules, from: start, to: end)
            #expect(slots == expected, "\(example.text)")
            try latestAgrees(timetable, with: expected, in: rules)
        }
    }

    static func slots(
        of timetable: Timetable, in zone: TimeZoneRules, from start: Int, to end: Int
    ) -> [Int] {
        var slots: [Int] = []
        var last = Timestamp(stored: Timestamp(second: start).stored - 1)
        while let slot = timetable.nextSlot(after: last, in: zone), slot.second < end {
            slots.append(slot.second)
            last = slot
        }
        return slots
    }

    private func latestAgrees(
        _ timetable: Timetable, with slots: [Int], in zone: TimeZoneRules
    ) throws {
        guard let first = slots.first, let last = slots.last else { return }
        var random = SlotRandom(seed: 3)
        let moments =
            (0..<200).map { _ in Int.random(in: first...last, using: &random) } + slots.prefix(3)
        for moment in moments {
            #expect(
                timetable.latestSlot(notAfter: Timestamp(second: moment), in: zone)?.second
                    == slots.last { $0 <= moment })
        }
    }

    /// 35,040 in a year, and 96 more in a leap year: none is lost or doubled where clocks change.
    @Test(arguments: zones) func every15MinutesIsEvery15RealMinutes(zone: String) throws {
        let rules = try ZoneFixtures.rules(zone)
        let start = try #require(Timestamp("2028-01-01")).second
        for timetable in [
            Timetable.every(TimeSpan(seconds: 900)),
            .calendar(try CalendarExpression(parsing: "*:0/15")),
        ] {
            let slots = Self.slots(of: timetable, in: rules, from: start, to: start + 366 * 86_400)
            #expect(slots == Array(stride(from: start, to: start + 366 * 86_400, by: 900)))
        }
    }

    @Test(arguments: zones) func daily0230IsOncePerLocalDay(zone: String) throws {
        let rules = try ZoneFixtures.rules(zone)
        let start = try #require(Timestamp("2028-01-01")).second
        let daily = Timetable.calendar(try CalendarExpression(parsing: "02:30"))
        let slots = Self.slots(of: daily, in: rules, from: start, to: start + 366 * 86_400)
        let dates = slots.map { rules.wallClock(at: Timestamp(second: $0)).date.daysSinceEpoch }
        #expect(dates == Array(dates[0]..<dates[0] + 366))
    }
}
