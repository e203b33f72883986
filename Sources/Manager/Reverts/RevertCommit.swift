internal import Catalog
internal import SnapshotModel

/// Takes a revert that a store has done over into the catalog.
struct RevertCommit {
    private let context: ManagerContext

    init(_ context: ManagerContext) { self.context = context }

    func record(_ outcome: RevertOutcome, volume: VolumeRow) throws {
        try context.catalog.atomically("recording a revert") { try recordAll(outcome, volume) }
    }

    private func recordAll(_ outcome: RevertOutcome, _ volume: VolumeRow) throws {
        let name = volume.record.name
        if let safety = outcome.safety {
            try context.catalog.commitSnapshot(safety, volume: name)
        }
        try context.catalog.commitRevert(
            outcome.id, safety: outcome.safety?.id, planBytes: outcome.planBytes)
        if let safety = outcome.safety {
            try AreaBookkeeper(context, volume).snapshotTaken(safety.ordinal)
        }
        let undo = outcome.safety.map { "; snapshot \($0.id) undoes it" } ?? ""
        try context.log(
            .reverted, "the volume was reverted to snapshot \(outcome.target)\(undo)",
            volume: name, snapshot: outcome.target)
        if outcome.state == .done, let row = try context.catalog.revert(outcome.id) {
            try MergeEnd(context, volume).record(row, .done)
        }
    }
}
