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
        try context.catalog.atomically("recording the end of a merge") { try recordAll(row, state) }
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
