import SnapshotModel

/// What happens when a store's free space is below its floor.
package enum BelowFloor: String, Hashable, Sendable, CaseIterable {
    /// New snapshots are refused; nothing goes that the policy keeps.
    case refuse
    /// What the policy keeps goes before its time, the nearest to its end first.
    case prune
}

/// Which snapshots go to bring a store's free space back above its floor.
package struct FreeSpacePlan: Hashable, Sendable {
    /// What goes although the policy keeps it, in the order in which it was chosen; nothing unless
    /// that is allowed and it suffices to delete less.
    package var victims: [RetentionSubject]
    /// What deleting these and all that the policy lets go frees together, in bytes.
    package var freedBytes: Int
    /// Whether that brings the space back.
    package var isEnough: Bool

    package init(victims: [RetentionSubject], freedBytes: Int, isEnough: Bool) {
        self.victims = victims
        self.freedBytes = freedBytes
        self.isEnough = isEnough
    }
}

package enum FreeSpacePlanner {
    /// Chooses the fewest victims, in the order of their expiry, whose deletion frees what is
    /// missing together with what the policy lets go anyway.
    ///
    /// Never chosen: what is held, the newest, the base of a mirror and what no mirror has yet,
    /// what a merge or an undo needs, manual snapshots, and whatever the policy keeps for good. What
    /// a sliding grid keeps comes last, oldest first.
    ///
    /// - Parameters:
    ///   - missingBytes: by how much the free space is below its floor.
    ///   - freedBytes: what deleting these frees, all together. Asked for a few times only; deleting
    ///     more never frees less.
    package static func plan(
        _ plan: PrunePlan, missingBytes: Int, below: BelowFloor,
        freedBytes: ([RetentionSubject]) -> Int
    ) -> FreeSpacePlan {
        let removed = plan.removed
        func freed(_ count: Int, of candidates: [RetentionSubject]) -> Int {
            freedBytes(removed + candidates.prefix(count))
        }
        let own = freedBytes(removed)
        guard own < missingBytes, below == .prune else {
            return FreeSpacePlan(victims: [], freedBytes: own, isEnough: own >= missingBytes)
        }
        let candidates = candidates(in: plan)
        // First twice as many each time, so that large sets are asked for only where needed.
        var (tooFew, enough) = (0, 1)
        while enough < candidates.count, freed(enough, of: candidates) < missingBytes {
            (tooFew, enough) = (enough, enough * 2)
        }
        enough = min(enough, candidates.count)
        if tooFew < enough {
            enough = (tooFew + 1..<enough).lowest { freed($0, of: candidates) >= missingBytes }
        }
        let bytes = freed(enough, of: candidates)
        return FreeSpacePlan(
            victims: Array(candidates.prefix(enough)), freedBytes: bytes,
            isEnough: bytes >= missingBytes)
    }

    /// What may go, the first one first.
    private static func candidates(in plan: PrunePlan) -> [RetentionSubject] {
        var timed: [(expiry: Timestamp, subject: RetentionSubject)] = []
        var sliding: [RetentionSubject] = []
        for index in plan.subjects.indices where plan.isKept(index) && !plan.isProtected(index) {
            let decision = plan.decision(at: index)
            switch decision.expiry {
            case .at(let moment): timed.append((moment, decision.subject))
            case .unforeseeable: sliding.append(decision.subject)
            case .event, .never: break
            }
        }
        let sorted = timed.enumerated()
            .sorted { ($0.element.expiry, $0.offset) < ($1.element.expiry, $1.offset) }
        return sorted.map(\.element.subject) + sliding
    }
}
