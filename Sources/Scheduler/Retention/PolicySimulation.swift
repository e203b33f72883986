package import SnapshotModel

/// What a policy will keep if snapshots go on as scheduled: plays the future without any data.
package struct PolicySimulation: Sendable {
    /// The rules that can keep something, as the configuration has them.
    package let rules: [String]
    /// Evenly spread, the last one at the end.
    package let samples: [Sample]
    /// What is there at the end, oldest first.
    package let survivors: [Survivor]
    /// How many snapshots were taken on the way.
    package let takenCount: Int

    /// What is there at a moment, after pruning.
    package struct Sample: Hashable, Sendable {
        package var at: Timestamp
        package var count: Int
        /// How many each of `rules` keeps; several may keep the same one.
        package var countOfRule: [Int]
    }

    package struct Survivor: Hashable, Sendable {
        package var takenAt: Timestamp
        /// The snapshot, if it exists already.
        package var existing: SnapshotID?
        /// Everything that keeps it.
        package var reasons: [String]
    }

    /// Starts with the snapshots that exist and takes more until the end.
    ///
    /// A policy that does not depend on when one prunes is applied at the sampled moments only,
    /// any other after every snapshot.
    ///
    /// - Parameters:
    ///   - existing: those that the policy applies to.
    ///   - sampleCount: 1 or more.
    ///   - proceed: is called now and then, and ends it by what it throws.
    /// - Throws: `usage` when more snapshots would be there at a time than ``countMaximum``.
    package init(
        _ scope: RetentionScope, existing: [RetentionSubject] = [], from start: Timestamp,
        until end: Timestamp, sampleCount: Int = 100, proceed: () throws -> Void = {}
    ) throws {
        var player = Player(scope: scope, existing: existing, start: start)
        var samples: [Sample] = []
        // Wide, for a span may be longer than 64 bits of nanoseconds.
        let (first, last) = (start.nanosecondsSinceEpoch, end.nanosecondsSinceEpoch)
        let step = max(1, (last - first) / Int128(max(1, sampleCount)))
        var count = first
        repeat {
            count = min(count + step, last)
            let at = Timestamp(clampingNanoseconds: count)
            let plan = try player.play(until: at, proceed)
            samples.append(
                Sample(
                    at: at, count: player.subjects.count,
                    countOfRule: plan.countOfRule(scope: 0)))
        } while count < last
        let existingIDs = Set(existing.map(\.id))
        survivors = player.plan(at: end).decisions.map {
            Survivor(
                takenAt: $0.subject.takenAt,
                existing: existingIDs.contains($0.subject.id) ? $0.subject.id : nil,
                reasons: $0.reasons.map(\.description))
        }
        rules = scope.policy.rules.filter(\.isEffective).map(\.description)
        takenCount = player.takenCount
        self.samples = samples
    }

    /// More snapshots at a time are not played with: whoever asks may be on the network.
    package static let countMaximum = 1_000_000

    /// The snapshots as they come and go.
    private struct Player {
        /// Between two looks whether it is to go on.
        private static let takenAtOnce = 1_000

        let scope: RetentionScope
        var subjects: [RetentionSubject]
        var moment: Timestamp
        var nextID: Int64
        var nextOrdinal: SnapshotOrdinal
        var takenCount = 0

        init(scope: RetentionScope, existing: [RetentionSubject], start: Timestamp) {
            self.scope = scope
            subjects = existing
            moment = start
            nextID = (existing.map(\.id.rawValue).max() ?? 0).addingClamped(1)
            nextOrdinal = existing.map(\.ordinal).max()?.next ?? SnapshotOrdinal(rawValue: 1)
        }

        func plan(at moment: Timestamp) -> PrunePlan {
            PrunePlan(of: subjects, scopes: [scope], now: moment) { _ in 0 }
        }

        /// Takes what is due and prunes by the plan that it returns.
        mutating func play(
            until end: Timestamp, _ proceed: () throws -> Void
        ) throws -> PrunePlan {
            let isPruned = !scope.policy.isPathIndependent
            while let slot = scope.nextSlot?(moment), slot <= end {
                moment = slot
                try take(at: slot)
                if isPruned || takenCount % Self.takenAtOnce == 0 { try proceed() }
                if isPruned { _ = prune() }
            }
            moment = end
            try proceed()
            return prune()
        }

        private mutating func take(at slot: Timestamp) throws(Problem) {
            guard subjects.count < PolicySimulation.countMaximum else {
                throw Problem(
                    .usage,
                    "more than \(PolicySimulation.countMaximum) snapshots would be there at a time",
                    hint: "look less far ahead, or keep less")
            }
            subjects.append(
                RetentionSubject(
                    id: SnapshotID(rawValue: nextID), ordinal: nextOrdinal, takenAt: slot))
            nextID = nextID.addingClamped(1)
            nextOrdinal = nextOrdinal.next
            takenCount += 1
        }

        private mutating func prune() -> PrunePlan {
            let plan = plan(at: moment)
            subjects = plan.subjects.indices.filter(plan.isKept).map { plan.subjects[$0] }
            return plan
        }
    }
}
