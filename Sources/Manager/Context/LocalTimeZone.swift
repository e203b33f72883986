internal import Glibc
package import SnapshotModel

/// A date and a time of day without a zone, as people write them.
package struct CivilTime: Hashable, Sendable {
    package var date: CivilDate
    package var hour: Int
    package var minute: Int
    package var second: Int

    package init(date: CivilDate, hour: Int = 0, minute: Int = 0, second: Int = 0) {
        self.date = date
        self.hour = hour
        self.minute = minute
        self.second = second
    }
}

/// Converts between the moments that are stored and the times that people read; tests bring their
/// own.
package protocol LocalTimeZone: Sendable {
    /// A local time's moment; nil when it is out of range. A time that the clock skips or repeats
    /// gets one of the moments around it.
    func moment(_ time: CivilTime) -> Timestamp?
    /// The local time at a moment, without its fraction of a second.
    func civilTime(_ moment: Timestamp) -> CivilTime
}

/// The zone of `$TZ` or `/etc/localtime`, by the C library: Foundation's zones need ICU, which a
/// static binary lacks, and then silently answer GMT.
package struct SystemTimeZone: LocalTimeZone {
    package init() {}

    package func moment(_ time: CivilTime) -> Timestamp? {
        var fields = tm()
        fields.tm_year = Int32(time.date.year - 1900)
        fields.tm_mon = Int32(time.date.month - 1)
        fields.tm_mday = Int32(time.date.day)
        fields.tm_hour = Int32(time.hour)
        fields.tm_min = Int32(time.minute)
        fields.tm_sec = Int32(time.second)
        // The library decides whether summer time applies.
        fields.tm_isdst = -1
        return Timestamp(seconds: Int64(mktime(&fields)))
    }

    package func civilTime(_ moment: Timestamp) -> CivilTime {
        var seconds = time_t(moment.secondsSinceEpoch)
        var fields = tm()
        guard localtime_r(&seconds, &fields) != nil,
            let date = CivilDate(
                year: Int(fields.tm_year) + 1900, month: Int(fields.tm_mon) + 1,
                day: Int(fields.tm_mday))
        else { return UTCTimeZone().civilTime(moment) }
        return CivilTime(
            date: date, hour: Int(fields.tm_hour), minute: Int(fields.tm_min),
            second: min(Int(fields.tm_sec), 59))
    }
}

/// The zone without surprises.
package struct UTCTimeZone: LocalTimeZone {
    package init() {}

    package func moment(_ time: CivilTime) -> Timestamp? {
        let seconds =
            time.date.daysSinceEpoch * 86_400 + time.hour * 3600 + time.minute * 60 + time.second
        return Timestamp(seconds: Int64(seconds))
    }

    package func civilTime(_ moment: Timestamp) -> CivilTime {
        let seconds = Int(moment.secondsSinceEpoch)
        let day = seconds.floorDivided(by: 86_400)
        let second = seconds.floorRemainder(by: 86_400)
        return CivilTime(
            date: CivilDate(daysSinceEpoch: day), hour: second / 3600, minute: second / 60 % 60,
            second: second % 60)
    }
}
