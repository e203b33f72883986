internal import Catalog
internal import SnapshotModel

/// Takes a revert that a store has done over into the catalog.
struct RevertCommit {
    private let context: ManagerContext
    private let outcome: RevertOutcome
    private let volume: VolumeRow
    private let usage: SettledUsage?
    private let clone: CloneUse?

    /// To be made outside of a transaction: it measures what ``record()`` then notes.
    ///
    /// - Parameter clone: whose content the volume got, too.
    init(
        _ context: ManagerContext, _ outcome: RevertOutcome, volume: VolumeRow,
        clone: CloneUse? = nil
    ) {
        self.context = context
        self.clone = clone
        self.outcome = outcome
        self.volume = volume
        usage = outcome.safety.flatMap {
            AreaBookkeeper(context, volume).settled(before: $0.ordinal)
        }
    }

    func record() throws {
        try context.catalog.atomically("recording a revert") { try recordAll() }
    }

    private func recordAll() throws {
        let name = volume.record.name
        if let safety = outcome.safety {
            try context.catalog.commitSnapshot(safety, volume: name)
        }
        try context.catalog.commitRevert(
            outcome.id, safety: outcome.safety?.id, planBytes: outcome.planBytes)
        if let safety = outcome.safety {
            try AreaBookkeeper(context, volume).snapshotTaken(safety.ordinal, usage)
        }
        let with = clone.map { " with clone \($0.name)" } ?? ""
        let undo = outcome.safety.map { "; snapshot \($0.id) undoes it" } ?? ""
        try context.log(
            .reverted, "the volume was reverted to snapshot \(outcome.target)\(with)\(undo)",
            volume: name, snapshot: outcome.target)
        if outcome.state == .done, let row = try context.catalog.revert(outcome.id) {
            try MergeEnd(context, volume).record(row, .done)
        }
    }
}
