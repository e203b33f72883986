import Foundation
import SnapshotModel
import Testing

@testable import Scheduler

@Suite struct WeekTests {
    /// Against Foundation's ISO 8601 calendar, over 60 years with all kinds of New Year.
    @Test func weeksAndWeekdaysAreThoseOfISO8601() throws {
        var calendar = Calendar(identifier: .iso8601)
        calendar.timeZone = try #require(TimeZone(secondsFromGMT: 0))
        for day in -3_650..<18_250 {
            let date = CivilDate(daysSinceEpoch: day)
            let parts = calendar.dateComponents(
                [.weekOfYear, .yearForWeekOfYear, .weekday],
                from: Date(timeIntervalSince1970: Double(day) * 86_400))
            let week = date.isoWeek
            #expect(week.week == parts.weekOfYear && week.year == parts.yearForWeekOfYear)
            #expect(date.weekday.rawValue % 7 + 1 == parts.weekday)
        }
    }

    @Test func week53BelongsToTheYearOfItsThursday() throws {
        let newYear = try #require(CivilDate(year: 2027, month: 1, day: 1))
        #expect(newYear.isoWeek.description == "2026-W53")
        let lateDecember = try #require(CivilDate(year: 2025, month: 12, day: 29))
        #expect(lateDecember.isoWeek.description == "2026-W01")
        #expect(lateDecember.isoWeek < newYear.isoWeek)
    }

    @Test func datesAreOrderedAndKnowTheirQuarter() throws {
        var last: CivilDate?
        for day in -800..<800 {
            let date = CivilDate(daysSinceEpoch: day)
            if let last { #expect(last < date) }
            last = date
            #expect((date.month - 1) / 3 + 1 == date.quarter)
        }
    }
}
