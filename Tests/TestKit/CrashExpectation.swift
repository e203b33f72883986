package import SnapshotModel

/// All that a volume and its snapshots may be after a crash.
package struct CrashExpectation: Sendable {
    /// One of the states: an operation in flight was not done, was done, or was done in part.
    package struct Outcome: Sendable {
        /// In words, for messages: `as before`, `reverted`.
        package var name: String
        package var cells: AllowedCells
        package var present: Set<SnapshotID>
        /// Snapshots that may be there or not: the taking or deleting of them failed.
        package var optional: Set<SnapshotID>
        package var clones: Set<String> = []
        /// The same of clones.
        package var optionalClones: Set<String> = []

        package init(
            _ name: String, cells: AllowedCells, present: Set<SnapshotID>,
            optional: Set<SnapshotID> = []
        ) {
            self.name = name
            self.cells = cells
            self.present = present
            self.optional = optional
        }
    }

    /// The contents of every snapshot that may be there.
    package var snapshots: [SnapshotID: [ChunkPattern.Version]]
    package var outcomes: [Outcome]
    /// What every clone that may be there may hold.
    package var clones: [String: AllowedCells] = [:]

    package init(snapshots: [SnapshotID: [ChunkPattern.Version]], outcomes: [Outcome]) {
        self.snapshots = snapshots
        self.outcomes = outcomes
    }

    /// What is wrong with what was found, in words; nil when it is one of the outcomes.
    package func mismatch(_ found: Observation) -> String? {
        for (id, cells) in found.snapshots.sorted(by: { $0.key < $1.key }) {
            guard let content = snapshots[id] else { return "snapshot \(id) came out of nowhere" }
            if let reason = AllowedCells(exact: content).mismatch(cells) {
                return "snapshot \(id): \(reason)"
            }
        }
        for (name, clone) in found.clones.sorted(by: { $0.key < $1.key }) {
            guard let allowed = clones[name] else { return "clone \(name) came out of nowhere" }
            if let reason = allowed.mismatch(clone.cells) { return "clone \(name): \(reason)" }
        }
        var reasons: [String] = []
        for outcome in outcomes {
            guard let reason = mismatch(found, outcome) else { return nil }
            reasons.append(outcomes.count == 1 ? reason : "not \(outcome.name): \(reason)")
        }
        return reasons.joined(separator: "; ")
    }

    private func mismatch(_ found: Observation, _ outcome: Outcome) -> String? {
        let ids = Set(found.snapshots.keys)
        if let lost = outcome.present.subtracting(ids).subtracting(outcome.optional).min() {
            return "snapshot \(lost) is lost"
        }
        if let extra = ids.subtracting(outcome.present).subtracting(outcome.optional).min() {
            return "snapshot \(extra) is there"
        }
        let names = Set(found.clones.keys)
        if let lost = outcome.clones.subtracting(names).subtracting(outcome.optionalClones).min() {
            return "clone \(lost) is lost"
        }
        if let extra = names.subtracting(outcome.clones).subtracting(outcome.optionalClones).min() {
            return "clone \(extra) is there"
        }
        return outcome.cells.mismatch(found.cells).map { "volume: \($0)" }
    }
}
