package import SnapshotModel

/// What the rules of one policy keep of the snapshots that it applies to. Nothing but the rules:
/// what is protected otherwise is `PrunePlan`'s matter, and without an effective rule this keeps
/// nothing.
package struct PolicyEvaluation: Sendable {
    let context: RuleContext
    /// In the policy's order.
    let outcomes: [Outcome]
    private let isKept: [Bool]

    struct Outcome: Sendable {
        var rule: KeepRule
        /// Oldest first.
        var marks: [RuleMark]

        /// The mark of a subject, if the rule keeps it.
        func mark(of index: Int) -> RuleMark? {
            let place = marks.lowestIndex { $0.index >= index }
            return place < marks.count && marks[place].index == index ? marks[place] : nil
        }
    }

    /// `subjects` may come in any order.
    package init(_ policy: RetentionPolicy, of subjects: [RetentionSubject], now: Timestamp) {
        self.init(
            policy, ofSorted: subjects.sorted(by: RetentionSubject.isEarlier), now: now)
    }

    init(_ policy: RetentionPolicy, ofSorted subjects: [RetentionSubject], now: Timestamp) {
        let context = RuleContext(subjects, policy: policy, now: now)
        let outcomes = policy.rules.filter(\.isEffective).map {
            Outcome(rule: $0, marks: $0.rule.marks(in: context).sorted { $0.index < $1.index })
        }
        var isKept = [Bool](repeating: false, count: subjects.count)
        for outcome in outcomes {
            for mark in outcome.marks { isKept[Int(mark.index)] = true }
        }
        self.context = context
        self.outcomes = outcomes
        self.isKept = isKept
    }

    /// Those that a rule keeps, oldest first.
    package var survivors: [RetentionSubject] {
        context.subjects.indices.filter { isKept[$0] }.map { context.subjects[$0] }
    }

    func isKept(_ index: Int) -> Bool { isKept[index] }

    /// All rules that keep a subject, in the policy's order.
    func reasons(at index: Int, future: FutureSlots) -> [KeepReason] {
        outcomes.compactMap { outcome in
            guard let mark = outcome.mark(of: index) else { return nil }
            let rule = outcome.rule.rule
            return KeepReason(
                source: rule.description, detail: rule.reason(for: mark, in: context),
                expiry: rule.expiry(of: mark, in: context, future: future))
        }
    }

    /// What each rule says about a subject that none keeps.
    func refusals(at index: Int) -> [String] {
        outcomes.map { outcome in
            let text = outcome.rule.rule.refusal(of: index, marks: outcome.marks, in: context)
            return "\(outcome.rule): \(text)"
        }
    }
}
