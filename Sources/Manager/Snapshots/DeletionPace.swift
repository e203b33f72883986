/// How many snapshots go while their volume is locked once.
///
/// A turn costs a fixed part, for opening the volume and for looking at the areas around those that go, and
/// a part for each of them. Others wait for about the goal; or, where the fixed part alone is longer, for
/// twice that: then all turns together cost about twice as much as one would, and not as many times the
/// fixed part as there are snapshots. Pure.
struct DeletionPace {
    /// How many are to go in the next turn.
    private(set) var count = 1

    /// How many went in the turn before; nil before the first.
    private var lastCount: Int?
    /// The shortest time of a turn of so many, in nanoseconds: a slow one says more of the disk or of other
    /// commands than of deletions.
    private var shortest: [Int: Double] = [:]
    private var fixedNanoseconds = 0.0

    /// How long others wait, about.
    private static let goalNanoseconds = 50_000_000.0
    /// A request of so many is small, and progress is told often enough.
    private static let countMaximum = 4096

    /// Takes how long a turn of ``count`` snapshots took, in nanoseconds, without its wait for others.
    mutating func note(_ nanoseconds: Int64) {
        let taken = Double(max(0, nanoseconds))
        shortest[count] = min(shortest[count] ?? .infinity, taken)
        let each = estimate(taken)
        let budget = max(Self.goalNanoseconds - fixedNanoseconds, fixedNanoseconds)
        let wanted = each > 0 ? budget / each : .infinity
        // By halves and doubles: one turn may have met a slow disk.
        let bounded = min(max(wanted, Double(count) / 2), Double(count) * 2)
        // One after the other never tells how much of it is the fixed part.
        let least = count == 1 && lastCount == 1 ? 2 : 1
        lastCount = count
        count = min(Self.countMaximum, max(least, Int(bounded)))
    }

    /// What each snapshot costs, from two turns of different sizes; notes what is left for the fixed part.
    private mutating func estimate(_ taken: Double) -> Double {
        // The first turn tells nothing of what one more would cost.
        guard let lastCount, let here = shortest[count], let last = shortest[lastCount] else {
            return 0
        }
        guard max(count, lastCount) * 2 >= min(count, lastCount) * 3 else {
            return max(0, taken - fixedNanoseconds) / Double(count)
        }
        let each = max(0, (here - last) / Double(count - lastCount))
        fixedNanoseconds = max(0, here - each * Double(count))
        return each
    }
}
