import SnapshotModel

/// The moments at which snapshots will be taken, asked for as far as they are needed and kept: each
/// rule needs only those that begin another bucket.
///
/// A class, so that what was asked once serves all snapshots of a plan.
final class FutureSlots {
    /// The first moment after another; nil when there is none.
    typealias Next = (Timestamp) -> Timestamp?

    private let next: Next?
    private let now: Timestamp
    private let zone: TimeZoneRules
    private var slots: [Timestamp] = []
    private var openings: [Openings: [Timestamp]] = [:]

    private struct Openings: Hashable {
        var span: BucketSpan
        var byWallClock: Bool
    }

    /// What is said when no further slot is found: without a schedule nobody knows when a snapshot
    /// comes.
    private var end: Expiry { next == nil ? .unforeseeable : .never }

    /// Further ahead than this nobody looks, so that no policy makes a plan slow.
    private static let horizon = 100_000

    init(after now: Timestamp, in zone: TimeZoneRules, next: Next?) {
        self.now = now
        self.zone = zone
        self.next = next
    }

    /// When the snapshot with this number, counted from 1, is taken.
    func slot(_ number: Int) -> Expiry {
        guard number <= Self.horizon else { return .unforeseeable }
        while slots.count < number {
            guard let slot = next?(slots.last ?? now) else { return end }
            slots.append(slot)
        }
        return .at(slots[number - 1])
    }

    /// The first slot at or after a moment.
    func slot(notBefore moment: Timestamp) -> Expiry {
        let before = max(now, moment.advanced(byNanoseconds: -1))
        return next?(before).map(Expiry.at) ?? end
    }

    /// When the bucket with this number, counted from 1 after the newest snapshot's, gets its first
    /// snapshot.
    func opening(
        _ number: Int, of span: BucketSpan, byWallClock: Bool, newest: LocalMoment
    ) -> Expiry {
        guard number <= Self.horizon else { return .unforeseeable }
        let cacheKey = Openings(span: span, byWallClock: byWallClock)
        var known = openings[cacheKey] ?? []
        defer { openings[cacheKey] = known }
        while known.count < number {
            var current = known.last.map { LocalMoment($0, in: zone) } ?? newest
            let key = byWallClock ? span.wallKey(of: current) : span.key(of: current)
            // Usually the first one found opens a bucket; not where clocks are set back, nor while
            // the newest snapshot lies in the future.
            var found: Timestamp?
            while found == nil {
                // A clock set back over midnight shows the end of a day twice: always go forward.
                let later = Timestamp(clampingSeconds: current.utcSeconds + 1)
                let bucketEnd = max(span.end(of: current, in: zone), later)
                guard case .at(let slot) = slot(notBefore: bucketEnd) else { return end }
                current = LocalMoment(slot, in: zone)
                let slotKey = byWallClock ? span.wallKey(of: current) : span.key(of: current)
                if slotKey > key { found = slot }
            }
            if let found { known.append(found) }
        }
        return .at(known[number - 1])
    }
}
