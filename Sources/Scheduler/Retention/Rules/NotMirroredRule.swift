/// Keeps what a mirror still waits for: zrepl's `not_replicated`.
package struct NotMirroredRule: Rule {
    package init() {}

    package var isEffective: Bool { true }

    package var description: String { "not-mirrored" }

    func marks(in context: RuleContext) -> [RuleMark] {
        context.subjects.indices.filter { !context.subjects[$0].isMirrored }
            .map { RuleMark(index: $0, rank: 1) }
    }

    func reason(for mark: RuleMark, in context: RuleContext) -> String {
        "a mirror does not have it yet"
    }

    func expiry(of mark: RuleMark, in context: RuleContext, future: FutureSlots) -> Expiry {
        .event
    }

    func refusal(of index: Int, marks: [RuleMark], in context: RuleContext) -> String {
        "every mirror has it"
    }
}
