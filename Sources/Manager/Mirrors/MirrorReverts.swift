internal import Catalog
internal import SnapshotModel

/// The reverts of a mirror's source that it has not taken note of.
struct MirrorReverts {
    /// By id.
    let pending: [RevertRow]

    /// Those that were committed, whatever has become of their merges.
    init(_ context: ManagerContext, _ record: MirrorRecord) throws {
        pending = try context.catalog.reverts(volume: record.volume).filter { revert in
            revert.state != nil && record.acceptedRevert.map { revert.id > $0 } ?? true
        }.sorted { $0.id < $1.id }
    }

    var last: RevertID? { pending.last?.id }

    /// Why the mirror does not go on by itself.
    func question(_ record: MirrorRecord) -> Problem? {
        guard let revert = pending.last else { return nil }
        return Problem(
            .refused,
            "volume \(record.volume) was reverted to snapshot \(revert.snapshot) (revert \(revert.id)) since "
                + "mirror \(record.name) was run: what it reads as now would follow",
            hint: "let it follow, all snapshots of before stay there: "
                + "\(.mirrorRun(record.name, acceptsRevert: true))")
    }
}
