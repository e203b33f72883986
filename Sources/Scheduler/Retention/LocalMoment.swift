package import SnapshotModel

/// A moment with what the clock on the wall shows, worked out once for all rules.
struct LocalMoment: Hashable, Sendable {
    let utcSeconds: Int64
    /// The wall clock's seconds since its own 1970-01-01 00:00.
    let localSeconds: Int64

    init(_ moment: Timestamp, in zone: TimeZoneRules) {
        utcSeconds = moment.secondsSinceEpoch
        localSeconds = utcSeconds + Int64(zone.offsetSeconds(at: moment))
    }

    init(utcSeconds: Int64, localSeconds: Int64) {
        self.utcSeconds = utcSeconds
        self.localSeconds = localSeconds
    }

    /// The wall clock's date, in days since 1970-01-01.
    var day: Int { Int(localSeconds).floorDivided(by: 86_400) }

    var minuteOfDay: Int { (Int(localSeconds) - day * 86_400) / 60 }
}

extension TimeZoneRules {
    /// The first moment at which the wall clock shows this or, where it skips it, more.
    package func earliestMoment(localSeconds: Int64) -> Timestamp {
        switch moments(of: WallClock(secondsSinceEpoch: localSeconds)) {
        case .once(let moment): moment
        case .skipped(let transition): transition
        case .twice(let first, _): first
        }
    }

    /// Whether the wall clock shows this twice.
    func isRepeated(localSeconds: Int64) -> Bool {
        if case .twice = moments(of: WallClock(secondsSinceEpoch: localSeconds)) { return true }
        return false
    }
}
