import SnapshotModel

/// zrepl's `grid`: the oldest so many snapshots of each of the grid's intervals, which are laid
/// from the newest snapshot whose name matches.
///
/// The intervals move with every new snapshot, so what survives depends on when one prunes; the
/// calendar's buckets do not have that flaw.
package struct GridRule: Rule {
    package var grid: Grid
    package var pattern: NamePattern?
    package var anchor: Anchor

    /// Where the youngest interval begins.
    package enum Anchor: Hashable, Sendable {
        /// At the newest snapshot whose name matches and that does not lie in the future.
        case newest
        /// At the moment of pruning.
        case now
    }

    package init(_ grid: Grid, pattern: NamePattern? = nil, anchor: Anchor = .newest) {
        self.grid = grid
        self.pattern = pattern
        self.anchor = anchor
    }

    package var isEffective: Bool { true }

    package var description: String {
        pattern.map { "grid(\(grid), ‘\($0)’)" } ?? "grid(\(grid))"
    }

    func marks(in context: RuleContext) -> [RuleMark] {
        let matches = pattern.map { $0.matcher() } ?? { _ in true }
        let candidates = context.subjects.indices.filter { matches(context.subjects[$0].name) }
        let start = start(in: context, candidates)
        var marks: [RuleMark] = []
        var current = (number: 0, kept: 0)
        for index in candidates {
            let takenAt = context.subjects[index].takenAt
            // The future belongs to no interval and is kept.
            guard takenAt <= start else {
                marks.append(RuleMark(index: index, rank: 0))
                continue
            }
            // The highest age is beyond the longest grid.
            guard let interval = grid.interval(age: start.nanoseconds(since: takenAt)) else {
                continue
            }
            if interval.number != current.number { current = (interval.number, 0) }
            guard interval.section.keep.limit(.max) > current.kept else { continue }
            current.kept += 1
            marks.append(RuleMark(index: index, rank: interval.number))
        }
        return marks
    }

    private func start(in context: RuleContext, _ candidates: [Int]) -> Timestamp {
        switch anchor {
        case .now: context.now
        case .newest:
            candidates.last { context.subjects[$0].takenAt <= context.now }
                .map { context.subjects[$0].takenAt } ?? context.now
        }
    }

    func reason(for mark: RuleMark, in context: RuleContext) -> String {
        mark.rank == 0 ? "lies in the future" : "interval \(mark.rank)"
    }

    func expiry(of mark: RuleMark, in context: RuleContext, future: FutureSlots) -> Expiry {
        .unforeseeable
    }

    func refusal(of index: Int, marks: [RuleMark], in context: RuleContext) -> String {
        if let pattern, !pattern.matches(context.subjects[index].name) {
            return "its name does not match"
        }
        if let first = marks.first, first.index < index {
            return "older ones of its interval are kept"
        }
        return "older than the grid"
    }
}
