import SnapshotModel
import Testing

@testable import Scheduler

/// The weekends on which clocks change, slot by slot.
@Suite struct ClockChangeTests {
    /// The times at which a timetable has slots, in UTC, within hours around a moment.
    private func slots(
        _ text: String, _ zone: String, around moment: String, hours: Int = 3
    ) throws -> [String] {
        let timetable: Timetable =
            text.hasPrefix("every ")
            ? .every(try TimeSpan(parsing: String(text.dropFirst(6))))
            : .calendar(try CalendarExpression(parsing: text))
        let middle = try #require(Timestamp(moment)).second
        return YearTests.slots(
            of: timetable, in: try ZoneFixtures.rules(zone), from: middle - hours * 3600,
            to: middle + hours * 3600
        ).map { String(Timestamp(second: $0).description.dropFirst(11).prefix(5)) }
    }

    private static let viennaForward = "2026-03-29T01:00:00Z"
    private static let viennaBack = "2026-10-25T01:00:00Z"
    private static let lordHoweForward = "2026-10-03T15:30:00Z"
    private static let lordHoweBack = "2026-04-04T15:00:00Z"

    @Test(arguments: [
        // 02:30 is skipped and comes at the jump; 02:30 comes twice and counts once.
        ("02:30", viennaForward, ["01:00"]), ("02:30", viennaBack, ["00:30"]),
        // Several that are skipped, and one that comes at the jump, are one slot.
        ("02:15,30", viennaForward, ["01:00"]), ("02,03:00", viennaForward, ["01:00"]),
        // A skipped one and a later one are two.
        ("02,03:30", viennaForward, ["01:00", "01:30"]),
        ("02,03:30", viennaBack, ["00:30", "02:30"]),
        // Only within the hour: no run.
        ("02:0/30", viennaForward, ["01:00"]), ("02:0/30", viennaBack, ["00:00", "00:30"]),
        ("every 2h", viennaForward, ["23:00", "01:00", "02:00"]),
        ("every 2h", viennaBack, ["22:00", "00:00", "03:00"]),
    ])
    func timesOfTheirOwnKeepTheirCount(text: String, change: String, expected: [String]) throws {
        #expect(try slots(text, "Europe/Vienna", around: change) == expected)
    }

    @Test(arguments: [
        ("*:07", viennaForward), ("*:07", viennaBack), ("0..23:07", viennaForward),
        ("01..04:07", viennaForward), ("00..05:07", viennaBack),
    ])
    func hourlyIsEveryRealHour(text: String, change: String) throws {
        let expected = ["00:07", "01:07"]
        let found = try slots(text, "Europe/Vienna", around: change, hours: 1)
        #expect(found == expected)
    }

    @Test(arguments: [viennaForward, viennaBack])
    func otherSpansUpToAnHourMakeNoLongerPause(change: String) throws {
        let rules = try ZoneFixtures.rules("Europe/Vienna")
        let middle = try #require(Timestamp(change)).second
        for minutes in 1...60 {
            let slots = YearTests.slots(
                of: .every(TimeSpan(seconds: Int64(minutes) * 60)), in: rules,
                from: middle - 86_400, to: middle + 86_400)
            let pauses = zip(slots, slots.dropFirst()).map { $1 - $0 }
            #expect(pauses.max() == minutes * 60)
            #expect(pauses.filter { $0 < minutes * 60 }.count <= 2)
        }
    }

    @Test(arguments: [
        ("*:0", lordHoweForward, ["14:30", "15:30", "16:00"]),
        ("every 1h", lordHoweForward, ["14:30", "15:30", "16:00"]),
        ("*:0", lordHoweBack, ["14:00", "15:00", "15:30"]),
        ("every 1h", lordHoweBack, ["14:00", "15:00", "15:30"]),
        ("*:45", lordHoweForward, ["14:15", "15:15", "15:45", "16:45"]),
        ("*:45", lordHoweBack, ["13:45", "14:45", "15:15", "16:15"]),
        ("*:0/30", lordHoweForward, ["14:00", "14:30", "15:00", "15:30", "16:00", "16:30"]),
        (
            "every 20m", lordHoweBack,
            [
                "13:40", "14:00", "14:20", "14:40", "15:00", "15:10", "15:30", "15:50", "16:10",
            ]
        ),
        ("02:10", lordHoweForward, ["15:30"]), ("01:40", lordHoweBack, ["14:40"]),
    ])
    func aChangeOf30MinutesMakesNoLongerPause(
        text: String, change: String, expected: [String]
    ) throws {
        // From 90 minutes before to 90 minutes after, on the half hour.
        let all = try slots(text, "Australia/Lord_Howe", around: change)
        let middle = try #require(Timestamp(change)).second
        func time(_ second: Int) -> String {
            String(Timestamp(second: second).description.dropFirst(11).prefix(5))
        }
        let (first, last) = (time(middle - 5400), time(middle + 5400))
        #expect(all.filter { $0 >= first && $0 < last } == expected)
    }

    /// The search skips the changes of the clock that lie in between, but not these.
    @Test(arguments: [
        ("*-10-25 02:30", "2026-01-01", "2026-10-25T00:30:00Z"),
        ("*-10-25 02:30", "2025-11-01", "2026-10-25T00:30:00Z"),
        ("*-03-29 02:30", "2024-07-01", "2025-03-29T01:30:00Z"),
        ("*-03-29 02:30", "2025-07-01", "2026-03-29T01:00:00Z"),
        ("2030-03-31 02:30", "1980-01-01", "2030-03-31T01:00:00Z"),
        ("2030-10-27 02:30", "1980-01-01", "2030-10-27T00:30:00Z"),
    ])
    func aChangeFarAheadIsSeen(text: String, after: String, expected: String) throws {
        let expression = try CalendarExpression(parsing: text)
        let start = try #require(Timestamp(after))
        let slot = expression.next(after: start, in: try ZoneFixtures.rules("Europe/Vienna"))
        #expect(slot == Timestamp(expected))
    }

    /// Samoa had no December 30, 2011.
    @Test func aDayThatIsSkippedIsServedOnce() throws {
        let change = "2011-12-30T10:00:00Z"
        #expect(
            try slots("12:00", "Pacific/Apia", around: change, hours: 24)
                == ["22:00", "10:00", "22:00"])
        let hourly = try slots("*:0", "Pacific/Apia", around: change, hours: 2)
        #expect(hourly == ["08:00", "09:00", "10:00", "11:00"])
    }

    @Test func fractionsOfASecondAreServed() throws {
        let expression = try CalendarExpression(parsing: "*:*:0/0.25")
        let start = Timestamp(stored: 1_800_000_000_100_000_000)
        let first = try #require(expression.next(after: start, in: .utc))
        #expect(first.stored == 1_800_000_000_250_000_000)
        #expect(expression.next(after: first, in: .utc)?.stored == 1_800_000_000_500_000_000)
        #expect(expression.latest(notAfter: first, in: .utc) == first)
    }

    @Test func spansAreAlignedAsDocumented() throws {
        func first(_ text: String) throws -> String {
            let span = Timetable.every(try TimeSpan(parsing: text))
            let slot = try #require(span.nextSlot(after: Timestamp(second: -1), in: .utc))
            return String(slot.description.prefix(16))
        }
        #expect(try first("1w") == "1970-01-05T00:00")
        #expect(try first("2d") == "1970-01-01T00:00")
        #expect(try first("3d") == "1970-01-02T00:00")
        #expect(try first("36h") == "1970-01-01T00:00")
        let kathmandu = try ZoneFixtures.rules("Asia/Kathmandu")
        let hourly = Timetable.every(.hour)
        let slot = hourly.nextSlot(after: try #require(Timestamp("2026-01-01")), in: kathmandu)
        #expect(slot?.description.prefix(16) == "2026-01-01T00:15")
    }
}
