import SnapshotModel

/// A set of times on the wall clock, which a zone then turns into moments.
///
/// Times are in millionths of a second since the clock showed 1970-01-01 00:00:00, as if every day
/// had 24 hours.
protocol WallClockPattern: Sendable {
    /// Whether the pattern follows real hours where it has a time in each of them.
    var mayRun: Bool { get }

    /// The first time at or after `clock`, from 1970 to 2500.
    func first(atOrAfter clock: Int64) -> Int64?
}

extension WallClockPattern {
    static var hour: Int64 { 3600 * 1_000_000 }
    static var day: Int64 { 24 * hour }
    /// 2501-01-01 00:00:00.
    static var end: Int64 { 193_944 * day }
}

/// Times with the same distance from one to the next.
struct IntervalPattern: WallClockPattern {
    /// Above 0.
    let distance: Int64
    /// One of the times.
    let anchor: Int64

    var mayRun: Bool { distance <= Self.hour }

    func first(atOrAfter clock: Int64) -> Int64? {
        let start = max(clock, 0)
        let since = (start - anchor).floorRemainder(by: distance)
        let (found, overflow) = start.addingReportingOverflow(since == 0 ? 0 : distance - since)
        return !overflow && found < Self.end ? found : nil
    }
}
