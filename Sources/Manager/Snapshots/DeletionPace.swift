/// How many snapshots go while their volume is locked once.
///
/// A turn costs a fixed part, for opening the volume and for looking at the areas around those that go, and
/// a part for each of them. Others wait for about the goal; or, where the fixed part alone is longer, for
/// twice that: then all turns together cost about twice as much as one would, and not as many times the
/// fixed part as there are snapshots. Pure.
struct DeletionPace {
    /// How many are to go in the next turn.
    private(set) var count = 1

    private var last: (count: Int, nanoseconds: Double)?
    private var fixedNanoseconds = 0.0

    /// How long others wait, about.
    private static let goalNanoseconds = 50_000_000.0
    /// A request of so many is small, and progress is told often enough.
    private static let countMaximum = 4096

    /// Takes how long a turn of ``count`` snapshots took, in nanoseconds.
    mutating func note(_ nanoseconds: Int64) {
        let taken = Double(max(0, nanoseconds))
        let each = estimate(taken)
        last = (count, taken)
        let budget = max(Self.goalNanoseconds - fixedNanoseconds, fixedNanoseconds)
        let wanted = each > 0 ? budget / each : .infinity
        // By halves and doubles: one turn may have met a slow disk.
        let bounded = min(max(wanted, Double(count) / 2), Double(count) * 2)
        count = min(Self.countMaximum, max(1, Int(bounded)))
    }

    /// What each snapshot costs, from two turns of different sizes; notes what is left for the fixed part.
    private mutating func estimate(_ taken: Double) -> Double {
        let here = Double(count)
        if let last, max(here, Double(last.count)) >= 1.5 * min(here, Double(last.count)) {
            let each = max(0, (taken - last.nanoseconds) / (here - Double(last.count)))
            fixedNanoseconds = max(0, taken - each * here)
            return each
        }
        // The first turn tells nothing of what one more would cost.
        guard last != nil else { return 0 }
        return max(0, taken - fixedNanoseconds) / here
    }
}
