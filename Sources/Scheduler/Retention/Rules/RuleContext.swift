import SnapshotModel

/// What a rule decides on: the snapshots that one policy applies to, oldest first, and nothing of
/// the others.
struct RuleContext: Sendable {
    let subjects: [RetentionSubject]
    let moments: [LocalMoment]
    let zone: TimeZoneRules
    let prefer: RetentionPolicy.Preference
    let now: Timestamp
    /// What spans count back from: the newest snapshot that does not lie in the future. So a host
    /// that was off loses nothing, and a clock that was ahead for a moment does no harm.
    let reference: Timestamp

    /// `subjects` are in the order of time.
    init(_ subjects: [RetentionSubject], policy: RetentionPolicy, now: Timestamp) {
        self.subjects = subjects
        moments = subjects.map { LocalMoment($0.takenAt, in: policy.zone) }
        zone = policy.zone
        prefer = policy.prefer
        self.now = now
        reference = subjects.last { $0.takenAt <= now }?.takenAt ?? now
    }

    /// The moment that lies a span before the newest snapshot; later snapshots are within it.
    func cutoff(_ span: CalendarSpan) -> Timestamp {
        switch prefer {
        case .oldest: span.before(reference)
        case .newest: span.beforeAsRestic(reference, in: zone)
        }
    }

    /// When a new snapshot moves the cut-off of a span to a moment or beyond it.
    func expiry(of span: CalendarSpan, reaching moment: Timestamp, future: FutureSlots) -> Expiry {
        func reaches(_ stored: Int64) -> Bool {
            let reference = Timestamp(stored: stored)
            return switch prefer {
            case .oldest: span.before(reference) >= moment
            case .newest: span.beforeAsRestic(reference, in: zone) >= moment
            }
        }
        guard reaches(.max) else { return .never }
        let lowest = (moment.stored..<Int64.max).lowest(where: reaches)
        return future.slot(notBefore: Timestamp(stored: lowest))
    }
}

/// A snapshot that a rule keeps.
struct RuleMark: Hashable, Sendable {
    /// Which of the context's subjects.
    var index: Int32
    /// Its place among those that the rule keeps, or its interval in a grid; from 1.
    var rank: Int32
    /// Kept only because it is the oldest of all and the rule has counts left.
    var isOldestOfAll: Bool

    init(index: Int, rank: Int, isOldestOfAll: Bool = false) {
        self.index = Int32(index)
        self.rank = Int32(rank)
        self.isOldestOfAll = isOldestOfAll
    }
}

/// A rule that keeps snapshots. Pure; what it says about them is worked out only when asked.
protocol Rule: Hashable, Sendable, CustomStringConvertible {
    /// Whether it could keep anything at all.
    var isEffective: Bool { get }

    /// The snapshots that it keeps.
    func marks(in context: RuleContext) -> [RuleMark]

    /// Why it keeps this one, to be read after the rule's own text; empty when that says it all.
    func reason(for mark: RuleMark, in context: RuleContext) -> String

    /// When it lets this one go.
    func expiry(of mark: RuleMark, in context: RuleContext, future: FutureSlots) -> Expiry

    /// Why it does not keep this one, although it keeps others.
    func refusal(of index: Int, marks: [RuleMark], in context: RuleContext) -> String
}
