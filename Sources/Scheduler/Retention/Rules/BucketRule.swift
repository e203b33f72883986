import SnapshotModel

/// Keeps one snapshot of each of the newest so many buckets that have any.
///
/// Buckets without a snapshot do not count, so that a host that was off for months still has all
/// its counts. The oldest snapshot of a bucket stands for it, which makes the rule independent of
/// when and how often one prunes: as long as a bucket is among the newest, so is its oldest
/// snapshot, and nothing that comes later is older.
///
/// When the newest is preferred this is restic's rule: a bucket ends where the next snapshot's
/// clock shows another, and the oldest snapshot of all is kept, too, while there are counts left.
package struct BucketRule: Rule {
    package var span: BucketSpan
    package var count: KeepCount

    package init(_ span: BucketSpan, _ count: KeepCount) {
        self.span = span
        self.count = count
    }

    package var isEffective: Bool { !count.isZero }

    package var description: String { "\(span)(\(count))" }

    func marks(in context: RuleContext) -> [RuleMark] {
        switch context.prefer {
        case .oldest: oldestOfBuckets(in: context)
        case .newest: newestOfBuckets(in: context)
        }
    }

    private func oldestOfBuckets(in context: RuleContext) -> [RuleMark] {
        let representatives = BucketSieve.oldest(of: context.moments, by: span)
        let kept = count.limit(representatives.count)
        return representatives.suffix(kept).enumerated()
            .map { RuleMark(index: $1.index, rank: kept - $0) }
    }

    private func newestOfBuckets(in context: RuleContext) -> [RuleMark] {
        var marks: [RuleMark] = []
        var previous: Int?
        for index in context.moments.indices.reversed() {
            guard marks.count < count.limit(.max) else { break }
            let key = span.wallKey(of: context.moments[index])
            guard key != previous || index == 0 else { continue }
            let isOldestOfAll = key == previous
            marks.append(
                RuleMark(index: index, rank: marks.count + 1, isOldestOfAll: isOldestOfAll))
            previous = key
        }
        return marks.reversed()
    }

    func reason(for mark: RuleMark, in context: RuleContext) -> String {
        let label = span.label(of: context.moments[Int(mark.index)], in: context.zone)
        let rank = count.rankText(Int(mark.rank))
        return mark.isOldestOfAll ? "the oldest of all (\(rank))" : "\(label) (\(rank))"
    }

    func expiry(of mark: RuleMark, in context: RuleContext, future: FutureSlots) -> Expiry {
        guard let newest = context.moments.last else { return .never }
        let byWallClock = context.prefer == .newest
        if byWallClock, mark.rank == 1, !mark.isOldestOfAll {
            // A newer one in the same bucket takes its place.
            let key = span.wallKey(of: newest)
            if case .at(let slot) = future.slot(1),
                span.wallKey(of: LocalMoment(slot, in: context.zone)) == key
            {
                return .at(slot)
            }
        }
        guard case .atMost(let count) = count else { return .never }
        let number = count - Int(mark.rank) + 1
        return future.opening(number, of: span, byWallClock: byWallClock, newest: newest)
    }

    func refusal(of index: Int, marks: [RuleMark], in context: RuleContext) -> String {
        let moment = context.moments[index]
        if let keeper = BucketSieve.keeper(of: moment, by: span, among: marks, in: context) {
            let isOldest = context.prefer == .oldest
            let label = span.label(of: moment, in: context.zone)
            return "\(label) is kept by \(keeper), its \(isOldest ? "oldest" : "newest")"
        }
        return marks.count == 1
            ? "a newer \(span.singular) is kept" : "\(marks.count) newer \(span.plural) are kept"
    }
}

/// Sorts moments into buckets.
enum BucketSieve {
    /// The snapshot that a rule keeps of the bucket that a moment falls into.
    static func keeper(
        of moment: LocalMoment, by span: BucketSpan, among marks: [RuleMark],
        in context: RuleContext
    ) -> SnapshotID? {
        func key(_ moment: LocalMoment) -> Int {
            context.prefer == .oldest ? span.key(of: moment) : span.wallKey(of: moment)
        }
        let own = key(moment)
        let place = marks.lowestIndex { key(context.moments[Int($0.index)]) >= own }
        guard place < marks.count, key(context.moments[Int(marks[place].index)]) == own else {
            return nil
        }
        return context.subjects[Int(marks[place].index)].id
    }

    struct Representative {
        var key: Int
        var index: Int
    }

    /// The first moment of each bucket, in the order of the buckets; moments are oldest first.
    static func oldest(of moments: [LocalMoment], by span: BucketSpan) -> [Representative] {
        var result: [Representative] = []
        for (index, moment) in moments.enumerated() {
            let key = span.key(of: moment)
            guard let last = result.last, key <= last.key else {
                result.append(Representative(key: key, index: index))
                continue
            }
            // A clock that was set back over midnight may show an earlier day once more.
            guard key < last.key else { continue }
            let place = result.lowestIndex { $0.key >= key }
            guard result[place].key != key else { continue }
            result.insert(Representative(key: key, index: index), at: place)
        }
        return result
    }
}
