import SnapshotModel

/// Keeps one snapshot of each bucket that a span before the newest snapshot reaches.
///
/// The oldest of a bucket stands for it, and is kept until the whole bucket lies before the span:
/// were its own age decisive, another one of its bucket would become the oldest and the survivors
/// would depend on when one prunes.
///
/// When the newest is preferred this is restic's rule: the newest of each bucket that is itself
/// within the span, and the oldest of all if it is.
package struct WithinBucketRule: Rule {
    package var bucket: BucketSpan
    package var span: CalendarSpan

    package init(_ bucket: BucketSpan, within span: CalendarSpan) {
        self.bucket = bucket
        self.span = span
    }

    package var isEffective: Bool { !span.isZero }

    package var description: String { "within-\(bucket)(\(span))" }

    func marks(in context: RuleContext) -> [RuleMark] {
        switch context.prefer {
        case .oldest: oldestOfBuckets(in: context)
        case .newest: newestOfBuckets(in: context)
        }
    }

    private func oldestOfBuckets(in context: RuleContext) -> [RuleMark] {
        let first = firstKey(in: context)
        let kept = BucketSieve.oldest(of: context.moments, by: bucket).filter { $0.key >= first }
        return kept.enumerated().map { RuleMark(index: $1.index, rank: kept.count - $0) }
    }

    /// The key of the bucket in which the span begins.
    private func firstKey(in context: RuleContext) -> Int {
        bucket.key(of: LocalMoment(context.cutoff(span), in: context.zone))
    }

    private func newestOfBuckets(in context: RuleContext) -> [RuleMark] {
        let cutoff = context.cutoff(span)
        var marks: [RuleMark] = []
        var previous: Int?
        for index in context.moments.indices.reversed() {
            guard context.subjects[index].takenAt > cutoff else { break }
            let key = bucket.wallKey(of: context.moments[index])
            guard key != previous || index == 0 else { continue }
            marks.append(
                RuleMark(index: index, rank: marks.count + 1, isOldestOfAll: key == previous))
            previous = key
        }
        return marks.reversed()
    }

    func reason(for mark: RuleMark, in context: RuleContext) -> String {
        mark.isOldestOfAll
            ? "the oldest of all"
            : bucket.label(of: context.moments[Int(mark.index)], in: context.zone)
    }

    func expiry(of mark: RuleMark, in context: RuleContext, future: FutureSlots) -> Expiry {
        switch context.prefer {
        case .oldest:
            let end = bucket.end(of: context.moments[Int(mark.index)], in: context.zone)
            return context.expiry(of: span, reaching: end, future: future)
        // Others of its bucket go first or later: see `RetentionPolicy.isPathIndependent`.
        case .newest: return .unforeseeable
        }
    }

    func refusal(of index: Int, marks: [RuleMark], in context: RuleContext) -> String {
        let moment = context.moments[index]
        let label = bucket.label(of: moment, in: context.zone)
        if let keeper = BucketSieve.keeper(of: moment, by: bucket, among: marks, in: context) {
            let isOldest = context.prefer == .oldest
            return "\(label) is kept by \(keeper), its \(isOldest ? "oldest" : "newest")"
        }
        return "\(label) lies \(span) or more before the newest one"
    }
}
