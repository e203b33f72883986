import SnapshotModel

/// Turns times on the wall clock into moments: the slots of a schedule.
///
/// Where a zone's clocks never change, each time is one moment. At a change:
///
/// * A pattern with times of its own, such as 02:30 each day, keeps its count of slots. A time that
///   the clocks skip is served at the moment of the jump: once, however many were skipped, and not
///   again for a time that comes at that very moment. A time that comes twice is served the first
///   time.
/// * A pattern that runs through the change, which has a time in each of the hours before and after
///   it by either clock (every 15 minutes, or `*:07`), keeps its distances. Times that come twice
///   are served twice, and skipped ones are left out, so that every 15 minutes stays every 15
///   minutes. Only where the change would make a pause longer than the pattern has there (hourly,
///   and a change of 30 minutes as on Lord Howe Island), there is a slot at the moment of the
///   change.
///
/// Inside, moments are in millionths of a second since 1970.
struct SlotSearch<Pattern: WallClockPattern> {
    let pattern: Pattern
    let zone: TimeZoneRules

    /// The first slot after a moment; nil when there is none before the year 2501.
    func next(after moment: Timestamp) -> Timestamp? {
        next(after: Self.microseconds(moment), upTo: .max).map(Self.timestamp)
    }

    /// The last slot at or before a moment; nil when there is none since 1970.
    func latest(notAfter moment: Timestamp) -> Timestamp? {
        latest(notAfter: Self.microseconds(moment)).map(Self.timestamp)
    }

    private static func timestamp(_ moment: Int64) -> Timestamp {
        Timestamp(clampingNanoseconds: Int128(moment) * 1000)
    }

    private static func microseconds(_ moment: Timestamp) -> Int64 {
        moment.secondsSinceEpoch * 1_000_000 + moment.fraction / 1000
    }
}

// MARK: - Forwards

extension SlotSearch {
    private func next(after moment: Int64, upTo limit: Int64) -> Int64? {
        var earliest = moment + 1
        var period = zone.periodIndex(at: earliest.floorDivided(by: 1_000_000))
        while true {
            let start = self.start(of: period)
            guard max(start, earliest) <= limit else { return nil }
            if start >= earliest, hasSlot(atChange: period) { return start }
            let offset = self.offset(of: period)
            guard let clock = pattern.first(atOrAfter: firstClock(of: period, from: earliest))
            else { return nil }
            let end = self.start(of: period + 1)
            if clock - offset < end { return clock - offset <= limit ? clock - offset : nil }
            // Changes that lie well before that time skip and repeat nothing.
            let farthest = clock - offset - 2 * Pattern.day
            period = max(
                period + 1, zone.periodIndex(at: farthest.floorDivided(by: 1_000_000)))
            earliest = max(end, self.start(of: period))
        }
    }

    /// What the clock shows at a moment of the period, or later where it repeats times that were
    /// served before.
    private func firstClock(of period: Int, from moment: Int64) -> Int64 {
        let clock = moment + offset(of: period)
        guard period > 0 else { return clock }
        let repeatedUpTo = start(of: period) + offset(of: period - 1)
        return clock < repeatedUpTo && !runs(throughChange: period) ? repeatedUpTo : clock
    }

    /// When a period of one offset begins; `Int64.max` after the last one.
    private func start(of period: Int) -> Int64 {
        guard period > 0 else { return .min }
        guard period <= zone.transitions.count else { return .max }
        return zone.transitions[period - 1] * 1_000_000
    }

    private func offset(of period: Int) -> Int64 { Int64(zone.offsets[period]) * 1_000_000 }
}

// MARK: - Changes of the clock

extension SlotSearch {
    /// Whether a slot lies at the moment of the change with which the period begins, apart from one
    /// of a time that the clock then shows.
    private func hasSlot(atChange period: Int) -> Bool {
        guard period > 0 else { return false }
        let (old, new) = clocks(atChange: period)
        // By far the most changes have nothing to do with a pattern of few times.
        guard let near = pattern.first(atOrAfter: min(old, new)),
            near < max(old, new) + Pattern.hour
        else { return false }
        guard let expected = pattern.first(atOrAfter: old) else { return false }
        guard runs(throughChange: period) else { return expected < new }
        guard let actual = pattern.first(atOrAfter: new) else { return false }
        return actual - new > expected - old
    }

    /// Whether the pattern has a time in the hour before and in the hour after the change, by the
    /// clock as it was and as it is set.
    private func runs(throughChange period: Int) -> Bool {
        guard pattern.mayRun else { return false }
        let (old, new) = clocks(atChange: period)
        return [old - Pattern.hour, old, new - Pattern.hour, new].allSatisfy { clock in
            pattern.first(atOrAfter: clock).map { $0 < clock + Pattern.hour } ?? false
        }
    }

    /// What the clock would show at the change with which the period begins, and what it shows.
    private func clocks(atChange period: Int) -> (old: Int64, new: Int64) {
        let change = start(of: period)
        return (change + offset(of: period - 1), change + offset(of: period))
    }
}

// MARK: - Backwards

extension SlotSearch {
    /// Searches forwards from ever further back, and then halves the distance, so that there is
    /// only one definition of what a slot is.
    private func latest(notAfter moment: Int64) -> Int64? {
        // Two days more than any clock differs from UTC.
        let earliest = -2 * Pattern.day
        var distance: Int64 = 60 * 1_000_000
        var found: Int64?
        while found == nil {
            let start = max(moment - distance, earliest)
            guard start < moment else { return nil }
            found = next(after: start, upTo: moment)
            guard start > earliest else { break }
            distance *= 8
        }
        guard var slot = found else { return nil }
        // No slot lies after `slot` and at or before `moment`, except up to `last`.
        var last = moment
        while let later = next(after: slot, upTo: last) {
            slot = later
            let middle = slot + (last - slot) / 2
            if let beyond = next(after: middle, upTo: last) {
                slot = beyond
            } else {
                last = middle
            }
        }
        return slot
    }
}
