package import SnapshotModel

/// A policy as it applies to some of a volume's snapshots.
package struct RetentionScope {
    /// As people know the policy.
    package var name: String
    package var policy: RetentionPolicy
    /// The first moment after another at which a snapshot of this scope will be taken, nil when
    /// there is none; without it nothing is known of the future.
    package var nextSlot: ((Timestamp) -> Timestamp?)?

    package init(
        name: String, policy: RetentionPolicy, nextSlot: ((Timestamp) -> Timestamp?)? = nil
    ) {
        self.name = name
        self.policy = policy
        self.nextSlot = nextSlot
    }
}

/// What to keep and what to delete of one volume's snapshots. Made in n log n; explanations are
/// worked out when they are asked for.
package struct PrunePlan {
    /// All of the volume's snapshots, in the order of time.
    package let subjects: [RetentionSubject]
    private let scopes: [Scope]
    private let places: [Place]
    private let newest: Int?
    private let now: Timestamp

    private struct Scope {
        var scope: RetentionScope
        /// Nil when the policy is empty.
        var evaluation: PolicyEvaluation?
        var future: FutureSlots
    }

    /// Where the decision about a subject stands.
    private struct Place {
        /// -1 without a policy.
        var scope: Int32
        /// Its index in the scope's evaluation; -1 when the rules do not apply to it.
        var index: Int32
    }

    /// `scopeOf` names the scope of a snapshot by its index, or nil when it has no policy.
    package init(
        of subjects: [RetentionSubject], scopes: [RetentionScope], now: Timestamp,
        scopeOf: (RetentionSubject) -> Int?
    ) {
        let sorted = subjects.sorted(by: RetentionSubject.isEarlier)
        var members = [[RetentionSubject]](repeating: [], count: scopes.count)
        places = sorted.map { subject in
            guard let scope = scopeOf(subject) else { return Place(scope: -1, index: -1) }
            let policy = scopes[scope].policy
            let applies = subject.kind != .manual || policy.appliesToManual
            guard applies, !policy.isEmpty else { return Place(scope: Int32(scope), index: -1) }
            members[scope].append(subject)
            return Place(scope: Int32(scope), index: Int32(members[scope].count - 1))
        }
        self.scopes = zip(scopes, members).map { scope, members in
            let policy = scope.policy
            return Scope(
                scope: scope,
                evaluation: policy.isEmpty
                    ? nil : PolicyEvaluation(policy, ofSorted: members, now: now),
                future: FutureSlots(after: now, in: policy.zone, next: scope.nextSlot))
        }
        newest = sorted.indices.max { sorted[$0].ordinal < sorted[$1].ordinal }
        self.subjects = sorted
        self.now = now
    }

    /// Whether it stays, without the reasons.
    package func isKept(_ index: Int) -> Bool {
        let place = places[index]
        guard place.scope >= 0, place.index >= 0,
            let evaluation = scopes[Int(place.scope)].evaluation
        else { return true }
        return evaluation.isKept(Int(place.index)) || isProtected(index)
    }

    /// Whether something keeps it whatever the rules say.
    func isProtected(_ index: Int) -> Bool {
        places[index].index < 0 || index == newest || !subjects[index].uses.isEmpty
            || subjects[index].holds.contains { !$0.isExpired(at: now) }
    }

    /// How many each effective rule of a scope keeps.
    func countOfRule(scope: Int) -> [Int] {
        scopes[scope].evaluation?.outcomes.map(\.marks.count) ?? []
    }

    /// Those that go, oldest first.
    package var removed: [RetentionSubject] {
        subjects.indices.filter { !isKept($0) }.map { subjects[$0] }
    }

    /// All decisions, in the order of time.
    package var decisions: [PruneDecision] { subjects.indices.map(decision(at:)) }

    /// The decision about one of `subjects`.
    package func decision(at index: Int) -> PruneDecision {
        let place = places[index]
        let scope = place.scope >= 0 ? scopes[Int(place.scope)] : nil
        let evaluation = place.index >= 0 ? scope?.evaluation : nil
        let firstSlot = scope?.future.slot(1) ?? .unforeseeable
        let mountPoints = subjects[index].mountPoints
        var reasons = protections(at: index).map {
            $0.reason(firstSlot: firstSlot, mountPoints: mountPoints)
        }
        if let scope, let evaluation {
            reasons += evaluation.reasons(at: Int(place.index), future: scope.future)
                .map { foreseen($0, by: scope.scope.policy) }
        }
        return PruneDecision(
            subject: subjects[index], policy: scope?.scope.name, reasons: reasons,
            refusals: reasons.isEmpty ? evaluation?.refusals(at: Int(place.index)) ?? [] : [])
    }

    /// A reason whose expiry is told only as far as it is certain: a rule that does not keep a
    /// snapshot now may do so later, unless survivors do not depend on when one prunes.
    private func foreseen(_ reason: KeepReason, by policy: RetentionPolicy) -> KeepReason {
        guard case .at = reason.expiry, !policy.isPathIndependent else { return reason }
        var reason = reason
        reason.expiry = .unforeseeable
        return reason
    }

    private func protections(at index: Int) -> [Protection] {
        let subject = subjects[index]
        var result: [Protection] = index == newest ? [.newest] : []
        result += RetentionSubject.Use.allCases.filter(subject.uses.contains).map(Protection.use)
        result += subject.holds.filter { !$0.isExpired(at: now) }.map(Protection.hold)
        let place = places[index]
        guard place.index < 0 else { return result }
        let policy = place.scope >= 0 ? scopes[Int(place.scope)].scope.policy : nil
        let hasRules = policy.map { !$0.isEmpty } ?? false
        return result + [hasRules ? .manual : .noPolicy]
    }
}
