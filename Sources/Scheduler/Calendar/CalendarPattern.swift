import SnapshotModel

/// A calendar made ready for the search: its fields as bits.
struct CalendarPattern: Hashable, Sendable {
    private var weekdays: UInt64 = 0
    private var years: CalendarChain = []
    private var months: UInt64 = 0
    /// The days of a month of 28, 29, 30 and 31 days.
    private var days: [UInt64] = []
    private var hours: UInt64 = 0
    private var minutes: UInt64 = 0
    private var seconds: CalendarChain = []

    init() {}

    init(_ expression: CalendarExpression) {
        weekdays = UInt64(expression.weekdays)
        years = expression.years
        months = expression.months.mask(upTo: 12) & ~1
        days = (28...31).map { Self.days(of: expression, length: $0) }
        hours = expression.hours.mask(upTo: 23)
        minutes = expression.minutes.mask(upTo: 59)
        seconds = expression.seconds
    }

    private static func days(of expression: CalendarExpression, length: Int) -> UInt64 {
        guard expression.countsDaysFromEnd, !expression.days.isEmpty else {
            return expression.days.mask(upTo: length) & ~1
        }
        // `~03` is the third last day; `~01..03`, and `~07/2`, run towards the end of the month.
        let fromStart = expression.days.map { component in
            CalendarComponent(
                start: length + 1 - (component.stop ?? component.start),
                stop: component.stop.map { _ in length + 1 - component.start },
                step: component.step)
        }
        return fromStart.mask(upTo: length) & ~1
    }
}

extension CalendarPattern: WallClockPattern {
    var mayRun: Bool { true }

    func first(atOrAfter clock: Int64) -> Int64? {
        let day = Int(clock.floorDivided(by: Self.day))
        // Nothing is before 1970.
        guard day >= 0 else { return first(onOrAfter: 0) }
        if firstDay(atOrAfter: day) == day,
            let time = firstTime(atOrAfter: Int(clock.floorRemainder(by: Self.day)))
        {
            return Int64(day) * Self.day + Int64(time)
        }
        return first(onOrAfter: day + 1)
    }

    private func first(onOrAfter day: Int) -> Int64? {
        guard let found = firstDay(atOrAfter: day), let time = firstTime(atOrAfter: 0) else {
            return nil
        }
        return Int64(found) * Self.day + Int64(time)
    }

    private func firstDay(atOrAfter start: Int) -> Int? {
        let date = CivilDate(daysSinceEpoch: start)
        var (year, month, day) = (date.year, date.month, date.day)
        while let found = years.first(
            atOrAfter: year, limit: CalendarField.years.upperBound)
        {
            if found > year { (year, month, day) = (found, 1, 1) }
            while let found = BitSearch.first(in: months, atOrAfter: month) {
                if found > month { (month, day) = (found, 1) }
                if let match = firstDay(inMonth: month, of: year, atOrAfter: day) { return match }
                (month, day) = (month + 1, 1)
            }
            (year, month, day) = (year + 1, 1, 1)
        }
        return nil
    }

    /// In days since 1970.
    private func firstDay(inMonth month: Int, of year: Int, atOrAfter day: Int) -> Int? {
        guard let first = CivilDate(year: year, month: month, day: 1) else { return nil }
        let before = first.daysSinceEpoch - 1
        let length = CivilDate.days(inMonth: month, ofYear: year)
        // The weekdays, turned so that the month's first one comes first, five times in a row.
        let shift = UInt64(Weekday(daysSinceEpoch: before + 1).rawValue - 1)
        let turned = (weekdays >> shift | weekdays << (7 - shift)) & 0b111_1111
        let repeated = turned * (1 | 1 << 7 | 1 << 14 | 1 << 21 | 1 << 28)
        let matches = days[length - 28] & repeated << 1
        return BitSearch.first(in: matches, atOrAfter: day).map { before + $0 }
    }

    /// In millionths of a second after midnight.
    private func firstTime(atOrAfter time: Int) -> Int? {
        let minute = 60 * CalendarField.perSecond
        let (hourNumber, minuteNumber) = (time / (60 * minute), time / minute % 60)
        if hours >> UInt64(hourNumber) & 1 == 1 {
            if minutes >> UInt64(minuteNumber) & 1 == 1,
                let second = firstSecond(atOrAfter: time % minute)
            {
                return time / minute * minute + second
            }
            if let next = BitSearch.first(in: minutes, atOrAfter: minuteNumber + 1),
                let second = firstSecond(atOrAfter: 0)
            {
                return (hourNumber * 60 + next) * minute + second
            }
        }
        guard let hour = BitSearch.first(in: hours, atOrAfter: hourNumber + 1),
            let next = BitSearch.first(in: minutes, atOrAfter: 0),
            let second = firstSecond(atOrAfter: 0)
        else { return nil }
        return (hour * 60 + next) * minute + second
    }

    private func firstSecond(atOrAfter value: Int) -> Int? {
        seconds.first(atOrAfter: value, limit: CalendarField.second.range.upperBound)
    }
}
