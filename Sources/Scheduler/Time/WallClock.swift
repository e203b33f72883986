package import SnapshotModel

/// What a clock on the wall shows: a date and a time of day without a zone.
package struct WallClock: Hashable, Comparable, Sendable {
    package var date: CivilDate
    /// 0 at midnight; below 86,400.
    package var secondOfDay: Int

    package init(date: CivilDate, secondOfDay: Int) {
        self.date = date
        self.secondOfDay = secondOfDay
    }

    /// Seconds of the clock since it showed 1970-01-01 00:00:00, as if every day had 24 hours.
    package init(secondsSinceEpoch seconds: Int64) {
        let day = seconds.floorDivided(by: 86_400)
        date = CivilDate(daysSinceEpoch: Int(day))
        secondOfDay = Int(seconds - day * 86_400)
    }

    package var secondsSinceEpoch: Int64 {
        Int64(date.daysSinceEpoch) * 86_400 + Int64(secondOfDay)
    }

    package var hour: Int { secondOfDay / 3600 }
    package var minute: Int { secondOfDay / 60 % 60 }
    package var second: Int { secondOfDay % 60 }

    package static func < (left: WallClock, right: WallClock) -> Bool {
        (left.date, left.secondOfDay) < (right.date, right.secondOfDay)
    }
}
