import SnapshotModel

/// Keeps all snapshots that were taken within a span before the newest one.
package struct WithinRule: Rule {
    package var span: CalendarSpan

    package init(_ span: CalendarSpan) { self.span = span }

    package var isEffective: Bool { !span.isZero }

    package var description: String { "within(\(span))" }

    func marks(in context: RuleContext) -> [RuleMark] {
        let cutoff = context.cutoff(span)
        let count = context.subjects.count
        let start = context.subjects.lowestIndex { $0.takenAt > cutoff }
        return (start..<count).map { RuleMark(index: $0, rank: count - $0) }
    }

    func reason(for mark: RuleMark, in context: RuleContext) -> String {
        "after \(LocalMoment(context.cutoff(span), in: context.zone).text)"
    }

    func expiry(of mark: RuleMark, in context: RuleContext, future: FutureSlots) -> Expiry {
        let takenAt = context.subjects[Int(mark.index)].takenAt
        return context.expiry(of: span, reaching: takenAt, future: future)
    }

    func refusal(of index: Int, marks: [RuleMark], in context: RuleContext) -> String {
        "taken \(span) or more before the newest one"
    }
}
