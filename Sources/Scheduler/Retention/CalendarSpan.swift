package import SnapshotModel

/// A length of time in calendar units: `1y2mo3d3h`.
///
/// Months are `mo` and minutes `min`; a bare `m` is months, as restic writes it, and is warned of in settings:
/// elsewhere it is minutes. Weeks (`w`) are read as seven days.
package struct CalendarSpan: Hashable, Sendable {
    package let months: Int
    package let days: Int
    package let minutes: Int

    package init(months: Int = 0, days: Int = 0, minutes: Int = 0) {
        self.months = months
        self.days = days
        self.minutes = minutes
    }

    package var isZero: Bool { months == 0 && days == 0 && minutes == 0 }

    /// The highest number that a unit may have: restic's users write `9999y` for "always".
    private static let highestNumber = 99_999

    private enum Unit: String, CaseIterable {
        case years = "y"
        case months = "mo"
        case weeks = "w"
        case days = "d"
        case hours = "h"
        case minutes = "min"
    }

    /// Restic's word for months.
    private static let bareMonths = "m"

    /// Whether a text that reads as such a length has months that may be taken for minutes.
    package static func hasBareMonths(_ text: String) -> Bool {
        text.split { !$0.isLetter }.contains { $0 == bareMonths }
    }

    /// Reads `6h`, `7d`, `1y2mo3d3h`: numbers with units, each unit at most once, in any order.
    package init(parsing text: String) throws(SyntaxError) {
        var reader = TextReader(text)
        var numbers: [Unit: Int] = [:]
        reader.skipSpaces()
        while !reader.isAtEnd {
            let start = reader.offset
            let number = try reader.number(atMost: Self.highestNumber)
            let unitStart = reader.offset
            let word = reader.readWord()
            guard let unit = Unit(rawValue: word == Self.bareMonths ? Unit.months.rawValue : word)
            else {
                throw SyntaxError(
                    word.isEmpty
                        ? "a unit is missing after \(number): y, mo, w, d, h and min"
                        : "\(word) is not a unit of time; the units are y, mo, w, d, h and min",
                    offset: unitStart)
            }
            guard numbers.updateValue(number, forKey: unit) == nil else {
                throw SyntaxError("the unit \(word) is given twice", offset: start)
            }
            reader.skipSpaces()
        }
        guard !numbers.isEmpty else {
            throw SyntaxError("a length of time is missing, such as 7d or 1y6mo", offset: 0)
        }
        self.init(
            months: numbers[.years, default: 0] * 12 + numbers[.months, default: 0],
            days: numbers[.weeks, default: 0] * 7 + numbers[.days, default: 0],
            minutes: numbers[.hours, default: 0] * 60 + numbers[.minutes, default: 0])
    }

    /// The moment that lies this span before another. A day is 24 hours and months are UTC's; a day
    /// that the earlier month does not have begins with the month after it.
    ///
    /// A later moment never gives an earlier result, neither at the end of a month nor where clocks
    /// change. Only so do rules that count back from the newest snapshot never want back what they
    /// let go.
    package func before(_ moment: Timestamp) -> Timestamp {
        let (seconds, fraction) = shifted(moment)
        return Timestamp(clampingSeconds: seconds, nanoseconds: fraction)
    }

    /// The moment that lies as far after another as ``before(_:)`` reaches back from it.
    package func after(_ moment: Timestamp) -> Timestamp {
        let (seconds, fraction) = shifted(moment)
        // Not by the moment before, which may be out of reach.
        return moment.advanced(bySeconds: moment.secondsSinceEpoch - seconds)
            .advanced(byNanoseconds: moment.fraction - fraction)
    }

    /// The moment before another, in seconds since 1970 and nanoseconds.
    private func shifted(_ moment: Timestamp) -> (seconds: Int64, fraction: Int64) {
        let seconds = Int(moment.secondsSinceEpoch)
        let day = seconds.floorDivided(by: 86_400)
        let date = CivilDate(daysSinceEpoch: day)
        let month = MonthNumber(of: date).advanced(by: -months)
        let isShort = date.day > month.length
        let shiftedDay = isShort ? month.advanced(by: 1).firstDay : month.firstDay + date.day - 1
        let ofDay = isShort ? 0 : seconds - day * 86_400
        let shifted = (shiftedDay - days) * 86_400 + ofDay - minutes * 60
        return (Int64(shifted), isShort ? 0 : moment.fraction)
    }

    /// The moment that restic finds this span before another: the wall clock's date moves, a day
    /// beyond a month's end runs over into the next month, hours are hours.
    ///
    /// Source: Go's `time.AddDate`, which restic's `ApplyPolicy` calls.
    package func beforeAsRestic(_ moment: Timestamp, in zone: TimeZoneRules) -> Timestamp {
        let clock = LocalMoment(moment, in: zone)
        let date = CivilDate(daysSinceEpoch: clock.day)
        let day = MonthNumber(of: date).advanced(by: -months).firstDay + date.day - 1 - days
        let ofDay = Int(clock.localSeconds) - clock.day * 86_400
        // Beyond what a timestamp holds, zones do not matter.
        guard abs(day) < 250_000 else {
            return Timestamp(clampingSeconds: Int64(day) * 86_400)
        }
        let shifted = zone.earliestMoment(localSeconds: Int64(day * 86_400 + ofDay))
        return Timestamp(
            clampingSeconds: shifted.secondsSinceEpoch - Int64(minutes) * 60,
            nanoseconds: moment.fraction)
    }
}

extension CalendarSpan: CustomStringConvertible {
    /// As it is parsed: `1y2mo3d3h`.
    package var description: String {
        let parts = [
            (months / 12, "y"), (months % 12, "mo"), (days, "d"), (minutes / 60, "h"),
            (minutes % 60, "min"),
        ]
        let text = parts.filter { $0.0 != 0 }.map { "\($0.0)\($0.1)" }.joined()
        return text.isEmpty ? "0h" : text
    }
}

/// A month, counted from January of the year 0.
struct MonthNumber: Hashable {
    let count: Int

    init(count: Int) { self.count = count }
    init(of date: CivilDate) { count = date.year * 12 + date.month - 1 }

    func advanced(by months: Int) -> MonthNumber { MonthNumber(count: count + months) }

    /// In days since 1970-01-01.
    var firstDay: Int {
        let year = count.floorDivided(by: 12)
        guard let date = CivilDate(year: year, month: count - year * 12 + 1, day: 1) else {
            preconditionFailure("every month has a first day")
        }
        return date.daysSinceEpoch
    }

    /// In days.
    var length: Int { advanced(by: 1).firstDay - firstDay }
}

extension TextReader {
    /// A whole number from 0 to a bound.
    mutating func number(atMost bound: Int) throws(SyntaxError) -> Int {
        let start = offset
        guard peek.map(Self.isDigit) ?? false else {
            throw SyntaxError("a number is missing", offset: start)
        }
        guard let number = readNumber(), number <= bound else {
            throw SyntaxError("the number is above the limit of \(bound)", offset: start)
        }
        return number
    }
}
