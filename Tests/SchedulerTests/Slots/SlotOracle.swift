import Testing

/// The slots of a timetable, found by going through every minute of a time: no searching, no
/// arithmetic of dates, and the offsets that zdump printed.
struct SlotOracle {
    let zone: ZoneOracle

    /// What a clock shows, and on which weekday, from Monday, 0.
    struct Reading {
        var year = 0
        var month = 1
        var day = 1
        var hour: Int
        var minute: Int
        var weekday: Int
        /// Whether the day is among the last seven of its month.
        var isInLastWeek = false

        /// Midnight of a day, by counting years and months from 1970 on.
        init(day number: Int) {
            var days = number
            weekday = (days + 3) % 7
            (hour, minute) = (0, 0)
            year = 1970
            while days >= (Self.isLeap(year) ? 366 : 365) {
                days -= Self.isLeap(year) ? 366 : 365
                year += 1
            }
            while days >= Self.length(month, year) {
                days -= Self.length(month, year)
                month += 1
            }
            day = days + 1
            isInLastWeek = day + 7 > Self.length(month, year)
        }

        private static func isLeap(_ year: Int) -> Bool {
            year % 400 == 0 || (year % 4 == 0 && year % 100 != 0)
        }

        private static func length(_ month: Int, _ year: Int) -> Int {
            [31, isLeap(year) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]
        }
    }

    /// The slots from `start` up to `end`, in seconds since 1970, of a timetable whose times are
    /// whole minutes.
    ///
    /// - Parameter runs: whether each real time counts that shows a time of the timetable; else
    ///   each time of the clock counts once, where it first comes, or where it is jumped over.
    func slots(
        from start: Int, to end: Int, runs: Bool, where isTime: (Reading) -> Bool
    ) -> [Int] {
        var slots: [Int] = []
        let firstDay = start / 86_400 - 4
        let days = (firstDay...end / 86_400 + 2).map { Reading(day: $0) }
        func isShown(_ clock: Int) -> Bool {
            var reading = days[clock / 86_400 - firstDay]
            (reading.hour, reading.minute) = (clock % 86_400 / 3600, clock % 3600 / 60)
            return isTime(reading)
        }
        // From long enough before, to know what the clock has shown.
        var highest = Int.min
        for (moment, clock) in zone.clocks(from: start - 2 * 86_400, to: end) {
            var isSlot = false
            if runs {
                isSlot = isShown(clock)
            } else if clock > highest {
                let first = highest == .min ? clock : highest + 60
                isSlot = stride(from: first, through: clock, by: 60).contains(where: isShown)
            }
            highest = max(highest, clock)
            if isSlot, moment >= start { slots.append(moment) }
        }
        return slots
    }
}
