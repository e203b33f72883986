package import SnapshotModel

/// What a schedule asks for at a moment.
package enum DueDecision: Hashable, Sendable {
    /// Take a snapshot for `slot`, the latest one; it stands for `missed` earlier ones too that
    /// nobody served, for example while the machine was off. They are counted up to
    /// `Schedule.mostMissed`.
    ///
    /// `disregarding` is a slot that was served but lies further in the future than the schedule
    /// can explain: the clock was wrong when it was served, or is now.
    case take(slot: Timestamp, missed: Int, disregarding: Timestamp?)
    /// All slots up to now are served; `next` is the one to come.
    case notDue(next: Timestamp?)
    /// The clock was set back: `reached`, the last slot that was served, is still to come. Nothing
    /// is taken until it has passed, for its times were served before; `next` is the one after it.
    case clockWentBack(reached: Timestamp, next: Timestamp?)
}

extension Schedule {
    /// Beyond this many, the slots that were missed are not counted further.
    package static let mostMissed = 1_000_000

    /// Whether a snapshot is due, and for which slot. Asking changes nothing: once the slot that it
    /// names is among the served, it is not named again.
    ///
    /// - Parameters:
    ///   - served: the slots that this schedule has served, in any order: the last one is enough
    ///     while the clock is right; with those before it, no slot is taken twice either after the
    ///     clock was wrong by days.
    ///   - beginning: when the schedule came into being; no slot up to then is due.
    package func due(
        served: some Sequence<Timestamp>, since beginning: Timestamp, at now: Timestamp
    ) -> DueDecision {
        let marks = [beginning] + served
        let passed = marks.lazy.filter { $0 <= now }.max()
        let ahead = marks.filter { $0 > now }
        if !ahead.isEmpty {
            let farthest = farthestPlausible(from: now)
            if let reached = ahead.lazy.filter({ $0 <= farthest }).max() {
                return .clockWentBack(reached: reached, next: nextSlot(after: reached))
            }
        }
        guard let slot = latestSlot(notAfter: now), slot > passed ?? .first else {
            return .notDue(next: nextSlot(after: now))
        }
        let missed = passed.map { countSlots(after: $0, before: slot) } ?? 0
        return .take(slot: slot, missed: missed, disregarding: ahead.max())
    }

    /// How far in the future a served slot may lie for the clock to have been set back by hand or
    /// by a time server: a day, or two slots.
    private func farthestPlausible(from now: Timestamp) -> Timestamp {
        let nextButOne = nextSlot(after: now).map { nextSlot(after: $0) ?? $0 }
        return max(now.advanced(bySeconds: TimeSpan.day.seconds), nextButOne ?? now)
    }

    private func countSlots(after start: Timestamp, before end: Timestamp) -> Int {
        var count = 0
        var slot = nextSlot(after: start)
        while let found = slot, found < end, count < Self.mostMissed {
            count += 1
            slot = nextSlot(after: found)
        }
        return count
    }
}
