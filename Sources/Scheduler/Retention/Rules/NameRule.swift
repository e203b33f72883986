/// Keeps snapshots by their names: zrepl's `regex`, with `negate` for those that do not match.
package struct NameRule: Rule {
    package var pattern: NamePattern
    package var isNegated: Bool

    package init(_ pattern: NamePattern, isNegated: Bool = false) {
        self.pattern = pattern
        self.isNegated = isNegated
    }

    package var isEffective: Bool { true }

    package var description: String { "\(isNegated ? "not-" : "")names(\(pattern))" }

    func marks(in context: RuleContext) -> [RuleMark] {
        let matches = pattern.matcher()
        return context.subjects.indices
            .filter { matches(context.subjects[$0].name) != isNegated }
            .map { RuleMark(index: $0, rank: 1) }
    }

    func reason(for mark: RuleMark, in context: RuleContext) -> String {
        context.subjects[Int(mark.index)].name ?? ""
    }

    func expiry(of mark: RuleMark, in context: RuleContext, future: FutureSlots) -> Expiry {
        .never
    }

    func refusal(of index: Int, marks: [RuleMark], in context: RuleContext) -> String {
        isNegated ? "its name matches" : "its name does not match"
    }
}
