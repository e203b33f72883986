internal import Catalog
internal import SnapshotModel

/// Records that a merge has ended, with what follows from it.
struct MergeEnd {
    private let context: ManagerContext
    private let volume: VolumeRow

    init(_ context: ManagerContext, _ volume: VolumeRow) {
        self.context = context
        self.volume = volume
    }

    func record(_ row: RevertRow, _ state: MergeState) throws {
        // As long as that cannot be looked at, the merge has not ended for the catalog.
        let clones = try EndedClones(context, volume).changed()
        try context.catalog.atomically("recording the end of a merge") {
            try recordAll(row, state)
            if let clones {
                try context.catalog.setClones(volume: volume.record.name, clones)
            }
        }
    }

    private func recordAll(_ row: RevertRow, _ state: MergeState) throws {
        try context.catalog.finishRevert(row.id, state: state)
        let isDone = state == .done
        try context.log(
            isDone ? .mergeEnded : .mergeCancelled,
            "the merge of snapshot \(row.snapshot) \(isDone ? "has ended" : "was cancelled")",
            volume: volume.record.name, snapshot: row.snapshot)
        guard let id = row.safetySnapshot, let safety = try context.catalog.snapshot(id) else {
            return
        }
        try AreaBookkeeper(context, volume).mergeEnded(safety: safety.ordinal)
    }
}
