import SnapshotModel

/// The rule at the end of a TZif file: the text of POSIX's `TZ`, with the extensions of RFC 9636,
/// section 3.3.1, by which a time of day may be negative or beyond 24 hours.
struct PosixTimeZone: Hashable {
    /// Seconds east of UTC.
    let standardOffset: Int64
    let summer: Summer?

    struct Summer: Hashable {
        /// Seconds east of UTC.
        var offset: Int64
        var start: YearlyMoment
        var end: YearlyMoment
    }

    /// A time of day on a day of each year.
    struct YearlyMoment: Hashable {
        var day: Day
        /// Seconds after midnight by the clock that held before; -167 to 167 hours.
        var seconds: Int64

        enum Day: Hashable {
            /// `Jn`: 1 to 365; February 29 is not counted.
            case withoutLeapDay(Int)
            /// `n`: 0 to 365; February 29 is counted.
            case zeroBased(Int)
            /// `Mm.w.d`: a weekday from 0, Sunday; week 5 is the last one that has it.
            case weekday(month: Int, week: Int, weekday: Int)
        }

        /// In seconds of that clock since 1970-01-01 00:00:00.
        func wallSeconds(inYear year: Int) -> Int64 {
            Int64(day.daysSinceEpoch(inYear: year)) * 86_400 + seconds
        }
    }
}

extension PosixTimeZone.YearlyMoment.Day {
    func daysSinceEpoch(inYear year: Int) -> Int {
        let newYear = CivilDate.firstDay(ofYear: year)
        switch self {
        case .withoutLeapDay(let number):
            let isAfterLeapDay = number > 59 && CivilDate.isLeap(year: year)
            return newYear + number - 1 + (isAfterLeapDay ? 1 : 0)
        case .zeroBased(let number):
            return newYear + number
        case .weekday(let month, let week, let weekday):
            let first =
                (1..<month).reduce(newYear) { $0 + CivilDate.days(inMonth: $1, ofYear: year) }
            // 1970-01-01 was a Thursday, 4.
            let firstWeekday = ((first + 4) % 7 + 7) % 7
            var day = (weekday - firstWeekday + 7) % 7 + (week - 1) * 7
            if day >= CivilDate.days(inMonth: month, ofYear: year) { day -= 7 }
            return first + day
        }
    }
}

// MARK: - When summer time is

extension PosixTimeZone {
    struct Interval {
        var start: Int64
        var end: Int64
        var offset: Int64
    }

    /// When summer time holds, in seconds since 1970, ascending, no two touching: all that begins
    /// before `limit` and ends after `start`.
    func summerTime(from start: Int64, to limit: Int64) -> [Interval] {
        guard let summer else { return [] }
        let firstYear = WallClock(secondsSinceEpoch: start).date.year - 2
        let lastYear = WallClock(secondsSinceEpoch: limit).date.year + 1
        var intervals: [Interval] = []
        for year in firstYear...lastYear {
            let start = summer.start.wallSeconds(inYear: year) - standardOffset
            var end = summer.end.wallSeconds(inYear: year) - summer.offset
            if end < start {
                // South of the equator, summer ends in the next year.
                end = summer.end.wallSeconds(inYear: year + 1) - summer.offset
            }
            guard start < end else { continue }
            if let last = intervals.last, start <= last.end {
                // All-year summer time is written as intervals that touch.
                intervals[intervals.count - 1].end = max(end, last.end)
            } else {
                intervals.append(Interval(start: start, end: end, offset: summer.offset))
            }
        }
        return intervals.filter { $0.end > start && $0.start < limit }
    }
}

// MARK: - Parsing

extension PosixTimeZone {
    /// nil when the text is not of the form `std offset [dst [offset] [,start[/time],end[/time]]]`.
    /// Summer time without its rules is refused, for POSIX leaves open when it is.
    init?(_ text: some Sequence<UInt8>) {
        var reader = TextReader(text)
        guard reader.skipZoneName(), let west = reader.readOffset() else { return nil }
        standardOffset = -west
        guard !reader.isAtEnd else {
            summer = nil
            return
        }
        guard reader.skipZoneName() else { return nil }
        // Without an offset, an hour ahead.
        var offset = standardOffset + 3600
        if !reader.isNext(",") {
            guard let west = reader.readOffset() else { return nil }
            offset = -west
        }
        guard reader.skip(","), let start = reader.readYearlyMoment(), reader.skip(","),
            let end = reader.readYearlyMoment(), reader.isAtEnd
        else { return nil }
        summer = Summer(offset: offset, start: start, end: end)
    }
}

extension TextReader {
    /// Three letters or more, or in angle brackets also digits and signs.
    fileprivate mutating func skipZoneName() -> Bool {
        guard skip("<") else { return readWord().utf8.count >= 3 }
        let name = read { byte in
            Self.isLetter(byte) || Self.isDigit(byte) || byte == UInt8(ascii: "+")
                || byte == UInt8(ascii: "-")
        }
        return name.utf8.count >= 3 && skip(">")
    }

    /// Seconds west of UTC: at most 24 hours and a minute less a second.
    fileprivate mutating func readOffset() -> Int64? { readTime(hours: 0...24) }

    /// `[+-]h[h][:mm[:ss]]`, in seconds.
    private mutating func readTime(hours: ClosedRange<Int>) -> Int64? {
        let isNegative = skip("-")
        if !isNegative { _ = skip("+") }
        guard let hour = readNumber(), hours.contains(hour) else { return nil }
        var (minute, second) = (0, 0)
        if skip(":") {
            guard let number = readNumber(), number < 60 else { return nil }
            minute = number
            if skip(":") {
                guard let number = readNumber(), number < 60 else { return nil }
                second = number
            }
        }
        let seconds = Int64(hour * 3600 + minute * 60 + second)
        return isNegative ? -seconds : seconds
    }

    fileprivate mutating func readYearlyMoment() -> PosixTimeZone.YearlyMoment? {
        guard let day = readDay() else { return nil }
        // Two in the morning unless it says otherwise.
        guard skip("/") else { return PosixTimeZone.YearlyMoment(day: day, seconds: 7200) }
        return readTime(hours: 0...167).map {
            PosixTimeZone.YearlyMoment(day: day, seconds: $0)
        }
    }

    private mutating func readDay() -> PosixTimeZone.YearlyMoment.Day? {
        if skip("J") {
            return readNumber().flatMap { (1...365).contains($0) ? .withoutLeapDay($0) : nil }
        }
        guard skip("M") else {
            return readNumber().flatMap { (0...365).contains($0) ? .zeroBased($0) : nil }
        }
        guard let month = readNumber(), (1...12).contains(month), skip("."),
            let week = readNumber(), (1...5).contains(week), skip("."),
            let weekday = readNumber(), (0...6).contains(weekday)
        else { return nil }
        return .weekday(month: month, week: week, weekday: weekday)
    }
}
