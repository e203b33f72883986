/// Keeps the newest so many snapshots.
///
/// With a pattern it is zrepl's `last_n`: only names that match count, and of two snapshots of one
/// moment the one with the higher name is the newer one.
package struct LastRule: Rule {
    package var count: KeepCount
    package var pattern: NamePattern?

    package init(_ count: KeepCount, pattern: NamePattern? = nil) {
        self.count = count
        self.pattern = pattern
    }

    package var isEffective: Bool { !count.isZero }

    package var description: String {
        pattern.map { "last(\(count), ‘\($0)’)" } ?? "last(\(count))"
    }

    func marks(in context: RuleContext) -> [RuleMark] {
        let candidates = candidates(in: context)
        let kept = count.limit(candidates.count)
        return candidates.suffix(kept).enumerated().map { RuleMark(index: $1, rank: kept - $0) }
    }

    /// Oldest first.
    private func candidates(in context: RuleContext) -> [Int] {
        guard let pattern else { return Array(context.subjects.indices) }
        let matches = pattern.matcher()
        return context.subjects.indices.filter { matches(context.subjects[$0].name) }.sorted {
            let (left, right) = (context.subjects[$0], context.subjects[$1])
            return (left.takenAt, left.name ?? "", left.ordinal)
                < (right.takenAt, right.name ?? "", right.ordinal)
        }
    }

    func reason(for mark: RuleMark, in context: RuleContext) -> String {
        count.rankText(Int(mark.rank))
    }

    func expiry(of mark: RuleMark, in context: RuleContext, future: FutureSlots) -> Expiry {
        guard case .atMost(let count) = count else { return .never }
        // The names of snapshots to come are not known.
        guard pattern == nil else { return .unforeseeable }
        return future.slot(count - Int(mark.rank) + 1)
    }

    func refusal(of index: Int, marks: [RuleMark], in context: RuleContext) -> String {
        if let pattern, !pattern.matches(context.subjects[index].name) {
            return "its name does not match"
        }
        return marks.count == 1 ? "a newer one is kept" : "\(marks.count) newer ones are kept"
    }
}
