/// Keeps snapshots that have all the tags of a list. As with restic, an empty tag stands for
/// snapshots without any.
package struct TagRule: Rule {
    package var tags: [String]

    package init(_ tags: [String]) { self.tags = tags }

    package var isEffective: Bool { !tags.isEmpty }

    package var description: String { "tags(\(tags.joined(separator: ",")))" }

    func marks(in context: RuleContext) -> [RuleMark] {
        guard isEffective else { return [] }
        return context.subjects.indices.filter { matches(context.subjects[$0].tags) }
            .map { RuleMark(index: $0, rank: 1) }
    }

    private func matches(_ present: [String]) -> Bool {
        tags.allSatisfy { $0.isEmpty && present.isEmpty || present.contains($0) }
    }

    func reason(for mark: RuleMark, in context: RuleContext) -> String { "" }

    func expiry(of mark: RuleMark, in context: RuleContext, future: FutureSlots) -> Expiry {
        .never
    }

    func refusal(of index: Int, marks: [RuleMark], in context: RuleContext) -> String {
        let present = context.subjects[index].tags
        let missing = tags.filter { !present.contains($0) }
        return "it has no tag \(missing.joined(separator: ","))"
    }
}
