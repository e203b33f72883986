import SnapshotModel

/// Buckets of the calendar: every so many minutes, hours, days, ISO weeks, months or years of the
/// wall clock.
///
/// Minutes and hours are counted from midnight, so that the last bucket of a day may be a short one
/// (with multiples of a day: from 1970); days and weeks from the Monday 1969-12-29, months and
/// years from the year 0. An hour that the clock shows twice has its own buckets each time, as long
/// as they are an hour at most: no real hour goes without a snapshot.
package struct BucketSpan: Hashable, Sendable {
    package let unit: Unit
    /// 1 or more.
    package let multiple: Int

    package enum Unit: String, Hashable, Sendable, CaseIterable {
        case minute, hour, day, week, month, quarter, year
    }

    package init(_ unit: Unit, multiple: Int = 1) {
        precondition((1...Self.highestMultiple).contains(multiple))
        self.unit = unit
        self.multiple = multiple
    }

    package static let highestMultiple = 99_999

    package static let minutely = BucketSpan(.minute)
    package static let hourly = BucketSpan(.hour)
    package static let daily = BucketSpan(.day)
    package static let weekly = BucketSpan(.week)
    package static let monthly = BucketSpan(.month)
    package static let quarterly = BucketSpan(.quarter)
    package static let yearly = BucketSpan(.year)

    private static let unitsOfWords: [String: Unit] = [
        "m": .minute, "min": .minute, "minute": .minute, "minutes": .minute,
        "h": .hour, "hour": .hour, "hours": .hour, "d": .day, "day": .day, "days": .day,
        "w": .week, "week": .week, "weeks": .week, "month": .month, "months": .month,
        "quarter": .quarter, "quarters": .quarter, "y": .year, "year": .year, "years": .year,
    ]

    /// Reads `15m` (minutes), `2h`, `2 weeks`, `month`: a multiple, 1 if it is left out, and a unit.
    package init(parsing text: String) throws(SyntaxError) {
        var reader = TextReader(text)
        reader.skipSpaces()
        var multiple = 1
        let start = reader.offset
        if !(reader.peek.map(TextReader.isLetter) ?? false) {
            multiple = try reader.number(atMost: Self.highestMultiple)
            reader.skipSpaces()
        }
        guard multiple > 0 else { throw SyntaxError("a bucket of nothing", offset: start) }
        let wordStart = reader.offset
        let word = reader.readWord()
        guard let unit = Self.unitsOfWords[word] else {
            throw SyntaxError(
                "\(word) is not a unit; the units are m (minutes), h, d, w, month, quarter and y",
                offset: wordStart)
        }
        reader.skipSpaces()
        guard reader.isAtEnd else {
            throw SyntaxError("one number and one unit are enough", offset: reader.offset)
        }
        self.init(unit, multiple: multiple)
    }

    /// In minutes, of buckets that are counted in minutes.
    private var minutes: Int? {
        switch unit {
        case .minute: multiple
        case .hour: multiple * 60
        case .day, .week, .month, .quarter, .year: nil
        }
    }

    /// In days, of buckets that are counted in days.
    private var days: Int? {
        switch unit {
        case .day: multiple
        case .week: multiple * 7
        case .minute, .hour, .month, .quarter, .year: nil
        }
    }

    /// In months, of all others.
    private var months: Int {
        switch unit {
        case .quarter: multiple * 3
        case .year: multiple * 12
        case .month, .minute, .hour, .day, .week: multiple
        }
    }

    /// What the buckets that a moment falls into are told apart and ordered by.
    func key(of moment: LocalMoment) -> Int {
        guard let minutes, minutes <= 60 else { return wallKey(of: moment) }
        // The bucket's start in UTC: the two passes of a repeated hour differ in it.
        return localStart(of: moment) - Int(moment.localSeconds - moment.utcSeconds)
    }

    /// The same by the wall clock alone, as restic has it: a repeated hour is one bucket.
    func wallKey(of moment: LocalMoment) -> Int {
        localStart(of: moment)
    }

    /// The wall clock's seconds at the bucket's start.
    func localStart(of moment: LocalMoment) -> Int {
        let day = moment.day
        if let minutes {
            guard minutes < 1440 else {
                return Int(moment.localSeconds).floorDivided(by: minutes * 60) * minutes * 60
            }
            return day * 86_400 + moment.minuteOfDay / minutes * minutes * 60
        }
        if let days {
            // 1970-01-01 was a Thursday.
            return ((day + 3).floorDivided(by: days) * days - 3) * 86_400
        }
        let month = MonthNumber(of: CivilDate(daysSinceEpoch: day)).count
        return MonthNumber(count: month.floorDivided(by: months) * months).firstDay * 86_400
    }

    /// The first moment after the bucket that a moment falls into.
    func end(of moment: LocalMoment, in zone: TimeZoneRules) -> Timestamp {
        let start = localStart(of: moment)
        if let minutes {
            guard minutes > 60 else {
                return Timestamp(clampingSeconds: Int64(key(of: moment) + minutes * 60))
            }
            let midnight = (start.floorDivided(by: 86_400) + 1) * 86_400
            let end = start + minutes * 60
            return zone.earliestMoment(
                localSeconds: Int64(minutes < 1440 ? min(end, midnight) : end))
        }
        if let days { return zone.earliestMoment(localSeconds: Int64(start + days * 86_400)) }
        let month = MonthNumber(of: CivilDate(daysSinceEpoch: start.floorDivided(by: 86_400)))
        return zone.earliestMoment(
            localSeconds: Int64(month.advanced(by: months).firstDay * 86_400))
    }
}

// What people read.
extension BucketSpan: CustomStringConvertible {
    /// As it stands in a configuration: `hourly`, `15m`, `2 weeks`.
    package var description: String {
        guard multiple == 1 else {
            return switch unit {
            case .minute: "\(multiple)m"
            case .hour: "\(multiple)h"
            case .day, .week, .month, .quarter, .year: "\(multiple) \(unit.rawValue)s"
            }
        }
        return unit == .day ? "daily" : "\(unit.rawValue)ly"
    }

    /// Several of them: `hours`, `buckets of 15m`.
    var plural: String {
        multiple == 1 ? "\(unit.rawValue)s" : "buckets of \(self)"
    }

    /// One of them: `hour`, `bucket of 15m`.
    var singular: String { multiple == 1 ? unit.rawValue : "bucket of \(self)" }

    /// The bucket that a moment falls into: `2026-11-22 14:15`, `2026-11-22`, `2026-W47`,
    /// `2026-11`, `2026-Q4`, `2026`; what it begins with when it is a multiple.
    func label(of moment: LocalMoment, in zone: TimeZoneRules) -> String {
        let start = localStart(of: moment)
        let day = start.floorDivided(by: 86_400)
        let date = CivilDate(daysSinceEpoch: day)
        switch unit {
        case .minute, .hour:
            let minute = (start - day * 86_400) / 60
            let clock = "\(date) \((minute / 60).padded(to: 2)):\((minute % 60).padded(to: 2))"
            let isRepeated = zone.isRepeated(localSeconds: moment.localSeconds)
            return isRepeated ? "\(clock) \(moment.offsetText)" : clock
        case .day: return date.description
        case .week: return date.isoWeek.description
        case .month: return "\(date.year)-\(date.month.padded(to: 2))"
        case .quarter: return "\(date.year)-Q\(date.quarter)"
        case .year: return "\(date.year)"
        }
    }
}

extension LocalMoment {
    /// `+02:00`.
    fileprivate var offsetText: String {
        let minutes = Int(localSeconds - utcSeconds) / 60
        let magnitude = abs(minutes)
        return (minutes < 0 ? "-" : "+")
            + "\((magnitude / 60).padded(to: 2)):\((magnitude % 60).padded(to: 2))"
    }

    /// `2026-11-22 14:15`.
    var text: String {
        let date = CivilDate(daysSinceEpoch: day)
        return "\(date) \((minuteOfDay / 60).padded(to: 2)):\((minuteOfDay % 60).padded(to: 2))"
    }
}
