package import SnapshotModel

/// Whether the wall clock is to be believed when snapshots are deleted by their age. Pure.
///
/// A clock that jumps ahead makes every snapshot old at once. Against that stands what the machine
/// knows for certain: how long it has run since a reading that was believed, and which slots of
/// schedules were served. What these explain is believed. A clock that runs ahead of them is in doubt:
/// deleting goes on as if the clock had run on from the last reading that was believed, so that what
/// is in doubt is kept. The doubt ends by itself when the clock has run steadily for
/// ``steadySeconds`` of the machine's time, or at once when people accept the clock.
///
/// A clock that was set back is no danger, for it only makes snapshots younger; it is taken over after
/// the same time.
package struct ClockMemory: Hashable, Sendable {
    /// The last reading that was believed.
    package var anchor: ClockReading
    /// What the clock has done since it left the anchor; nil while it is believed.
    package var deviation: Deviation?

    /// A clock that the anchor does not explain.
    package struct Deviation: Hashable, Sendable {
        /// When the clock was first seen to be elsewhere.
        package var since: ClockReading
        package var last: ClockReading
        /// For how long the machine has run since, while the clock ran with it.
        package var steadyNanoseconds: Int64

        package init(since: ClockReading, last: ClockReading, steadyNanoseconds: Int64) {
            self.since = since
            self.last = last
            self.steadyNanoseconds = steadyNanoseconds
        }
    }

    package init(anchor: ClockReading, deviation: Deviation? = nil) {
        self.anchor = anchor
        self.deviation = deviation
    }

    /// By how much the wall clock may differ from the boot clock, in seconds: time servers step
    /// clocks by so much, and nobody's snapshots are so short-lived.
    package static let toleranceSeconds: Int64 = 600
    /// For how long a machine may have been off without a doubt, in seconds.
    package static let offSeconds: Int64 = 86_400
    /// For how long a clock must run steadily before it is believed, in seconds.
    package static let steadySeconds: Int64 = 86_400
}

extension ClockMemory {
    /// What is remembered after another look at the clocks.
    ///
    /// - Parameters:
    ///   - memory: what was remembered; nil at the first look.
    ///   - lastKnown: the newest moment that the catalog has of snapshots and slots.
    ///   - reach: until when it is normal that nothing happens: the first slot after those that were
    ///     served. Nil without schedules.
    package static func after(
        _ memory: ClockMemory?, reading: ClockReading, lastKnown: Timestamp?, reach: Timestamp?
    ) -> ClockMemory {
        guard let memory else {
            let past = lastKnown.map { ClockReading(wall: $0, bootID: "", bootNanoseconds: 0) }
            return ClockMemory(anchor: past ?? reading).looking(at: reading, reach: reach)
        }
        return memory.looking(at: reading, reach: reach)
    }

    private func looking(at reading: ClockReading, reach: Timestamp?) -> ClockMemory {
        // Slots that were served by a clock in doubt explain nothing.
        let reach = deviation == nil ? reach : nil
        switch Self.course(from: anchor, to: reading, reach: reach) {
        case .steady: return ClockMemory(anchor: reading)
        case .ahead, .behind:
            return ClockMemory(anchor: anchor, deviation: deviating(to: reading))
                .settled
        }
    }

    /// A clock that goes on keeps what it has run steadily, also when the machine was off, or stood
    /// still for less than ``offSeconds``: machines that run by day alone would never come to an end.
    private func deviating(to reading: ClockReading) -> Deviation {
        let fresh = Deviation(since: reading, last: reading, steadyNanoseconds: 0)
        guard let deviation, !deviation.last.isFarBehind(reading) else { return fresh }
        let last = deviation.last
        guard last.wall.advanced(bySeconds: -Self.toleranceSeconds) <= reading.wall else {
            return fresh
        }
        let passed = reading.wall.nanoseconds(since: last.wall)
        let run = min(last.run(until: reading), max(0, passed))
        return Deviation(
            since: deviation.since, last: reading,
            steadyNanoseconds: deviation.steadyNanoseconds.addingClamped(run))
    }

    /// Believes a clock that has run steadily for long enough.
    private var settled: ClockMemory {
        guard let deviation,
            deviation.steadyNanoseconds >= Self.steadySeconds * 1_000_000_000
        else { return self }
        return ClockMemory(anchor: deviation.last)
    }

    private enum Course { case steady, ahead, behind }

    /// How the wall clock ran between two readings.
    private static func course(
        from start: ClockReading, to end: ClockReading, reach: Timestamp?
    ) -> Course {
        let tolerance = Self.toleranceSeconds
        if start.isSameBoot(as: end) {
            let expected = start.expected(at: end)
            if end.wall > expected.advanced(bySeconds: tolerance) { return .ahead }
            return end.wall < expected.advanced(bySeconds: -tolerance) ? .behind : .steady
        }
        // The machine was off, nobody knows for how long, and has run since.
        let run = start.isOtherBoot(than: end) ? max(0, end.bootNanoseconds) : 0
        let latest = max(start.wall, reach ?? start.wall)
            .advanced(byNanoseconds: run).advanced(bySeconds: offSeconds)
        if end.wall > latest { return .ahead }
        return end.wall < start.wall.advanced(bySeconds: -tolerance) ? .behind : .steady
    }
}

extension ClockMemory {
    /// What is to be done by the clocks at a reading that this memory has seen.
    package func judgement(at reading: ClockReading) -> ClockJudgement {
        let believed = anchor.expected(at: reading)
        guard deviation != nil, reading.wall > believed else {
            return ClockJudgement(now: reading.wall, wall: reading.wall, lastBelieved: anchor.wall)
        }
        return ClockJudgement(now: believed, wall: reading.wall, lastBelieved: anchor.wall)
    }
}

extension ClockReading {
    fileprivate func isSameBoot(as other: ClockReading) -> Bool {
        !bootID.isEmpty && bootID == other.bootID && bootNanoseconds <= other.bootNanoseconds
    }

    /// False also when it is not known: where the kernel's files cannot be read, and when a saved
    /// machine has come back.
    fileprivate func isOtherBoot(than other: ClockReading) -> Bool {
        !bootID.isEmpty && !other.bootID.isEmpty && bootID != other.bootID
    }

    /// For how long the machine has run for certain until a later reading, in nanoseconds.
    fileprivate func run(until other: ClockReading) -> Int64 {
        if isOtherBoot(than: other) { return max(0, other.bootNanoseconds) }
        return max(0, other.bootNanoseconds.subtractingClamped(bootNanoseconds))
    }

    /// What the wall clock should show, as far as the boot clock tells: at least the time that the
    /// machine has run. Where no start is known, nobody knows when this reading was.
    fileprivate func expected(at other: ClockReading) -> Timestamp {
        guard isSameBoot(as: other) || isOtherBoot(than: other) else { return wall }
        return wall.advanced(byNanoseconds: run(until: other))
    }

    /// Whether a clock jumped ahead by a day or more between this reading and a later one, while
    /// nothing says that the machine was off.
    fileprivate func isFarBehind(_ other: ClockReading) -> Bool {
        guard !isOtherBoot(than: other) else { return false }
        return other.wall >= expected(at: other).advanced(bySeconds: ClockMemory.offSeconds)
    }
}
