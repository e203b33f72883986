package import SnapshotModel

/// By which moment snapshots grow old.
package struct ClockJudgement: Hashable, Sendable {
    /// The moment to reckon ages with: the wall clock's or, while that is in doubt, the one that the
    /// last reading that was believed leads to.
    package var now: Timestamp
    package var wall: Timestamp
    /// The last reading of the wall clock that was believed.
    package var lastBelieved: Timestamp

    package init(now: Timestamp, wall: Timestamp, lastBelieved: Timestamp) {
        self.now = now
        self.wall = wall
        self.lastBelieved = lastBelieved
    }

    package var isInDoubt: Bool { now < wall }
}

extension ClockJudgement {
    /// What people should know of a clock in doubt.
    package var doubt: Advice {
        let hours = ClockMemory.steadySeconds / 3600
        return "the clock shows \(Self.minute(wall)), which the time that this machine has run "
            + "since \(Self.minute(lastBelieved)) does not explain: ages of snapshots are reckoned as "
            + "of \(Self.minute(now)) until the clock has run steadily for \(hours) hours; if it is "
            + "right, run \(.pruneAcceptingClock)"
    }

    private static func minute(_ moment: Timestamp) -> String {
        moment.description.prefix(16).replacing("T", with: " ") + " UTC"
    }
}
