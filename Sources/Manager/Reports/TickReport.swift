package import SnapshotModel

/// What one run of what is due did.
package struct TickReport: Hashable, Sendable {
    package init(slots: [Slot] = [], prune: PruneReport? = nil) {
        self.slots = slots
        self.prune = prune
    }

    package var slots: [Slot] = []
    /// Nil when nothing was pruned, or another prune was at work.
    package var prune: PruneReport?

    /// One slot of one schedule.
    package struct Slot: Hashable, Sendable {
        /// `volume:NAME` or `set:NAME`.
        package var target: String
        package var schedule: String
        package var slot: Timestamp
        /// How many earlier slots nobody served.
        package var missed: Int
        package var outcome: Outcome
    }

    package enum Outcome: Hashable, Sendable {
        case taken([SnapshotID], set: SetID?)
        /// A tick that was killed had served it.
        case served
        /// Nothing was written since the snapshots before.
        case unchanged
        case failed(Problem)
        /// A dry run.
        case due
    }

    package var failures: [Problem] {
        slots.compactMap { if case .failed(let problem) = $0.outcome { problem } else { nil } }
            + (prune?.volumes.compactMap(\.failure) ?? [])
    }
}

extension TickReport: JSONConvertible {
    package var json: JSONValue {
        ["slots": JSONValue(slots), "prune": prune?.json ?? .null]
    }
}

extension TickReport.Slot: JSONConvertible {
    package var json: JSONValue {
        var (snapshots, set, word, error): ([SnapshotID], SetID?, String, Problem?)
        switch outcome {
        case .taken(let ids, let id): (snapshots, set, word, error) = (ids, id, "taken", nil)
        case .unchanged: (snapshots, set, word, error) = ([], nil, "unchanged", nil)
        case .failed(let problem): (snapshots, set, word, error) = ([], nil, "failed", problem)
        case .served: (snapshots, set, word, error) = ([], nil, "served", nil)
        case .due: (snapshots, set, word, error) = ([], nil, "due", nil)
        }
        return [
            "target": JSONValue(target), "schedule": JSONValue(schedule),
            "slot": JSONValue(slot), "missed": JSONValue(missed), "outcome": JSONValue(word),
            "snapshots": .array(snapshots.map { JSONValue($0) }), "set_id": JSONValue(set),
            "error": JSONValue(error?.message),
        ]
    }
}
