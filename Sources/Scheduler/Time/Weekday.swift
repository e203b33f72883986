package import SnapshotModel

/// A day of the week, numbered as in ISO 8601: Monday is 1.
package enum Weekday: Int, Hashable, Comparable, Sendable, CaseIterable {
    case monday = 1
    case tuesday
    case wednesday
    case thursday
    case friday
    case saturday
    case sunday

    package static func < (left: Weekday, right: Weekday) -> Bool {
        left.rawValue < right.rawValue
    }

    /// Of the day that many days after 1970-01-01, which was a Thursday.
    package init(daysSinceEpoch days: Int) {
        let sinceMonday = ((days + 3) % 7 + 7) % 7
        self = Weekday.allCases[sinceMonday]
    }
}

/// A week of ISO 8601: it begins on Monday and belongs to the year that has its Thursday.
package struct ISOWeek: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The week's year; around New Year, not always that of the date.
    package let year: Int
    /// 1 to 53.
    package let week: Int

    package init(_ date: CivilDate) {
        let days = date.daysSinceEpoch
        let thursday = days - Weekday(daysSinceEpoch: days).rawValue + 4
        year = CivilDate(daysSinceEpoch: thursday).year
        week = (thursday - CivilDate.firstDay(ofYear: year)) / 7 + 1
    }

    package static func < (left: ISOWeek, right: ISOWeek) -> Bool {
        (left.year, left.week) < (right.year, right.week)
    }

    /// As ISO 8601 writes it: `2026-W53`.
    package var description: String { "\(year)-W\(week < 10 ? "0" : "")\(week)" }
}

extension CivilDate {
    package var weekday: Weekday { Weekday(daysSinceEpoch: daysSinceEpoch) }
    package var isoWeek: ISOWeek { ISOWeek(self) }
    /// 1 to 4.
    package var quarter: Int { (month + 2) / 3 }

    package static func isLeap(year: Int) -> Bool {
        year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    }

    /// `month` is 1 to 12.
    package static func days(inMonth month: Int, ofYear year: Int) -> Int {
        switch month {
        case 2: isLeap(year: year) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// January 1, in days since 1970-01-01.
    static func firstDay(ofYear year: Int) -> Int {
        let before = year - 1
        let leapDays = floor(before, 4) - floor(before, 100) + floor(before, 400)
        // 719,162 days lie between 0001-01-01 and 1970-01-01.
        return before * 365 + leapDays - 719_162
    }

    private static func floor(_ value: Int, _ divisor: Int) -> Int {
        value / divisor - (value % divisor < 0 ? 1 : 0)
    }
}
