internal import Catalog
internal import SnapshotModel
internal import StoreFormat

/// The clones of a volume, some of which may have ended with a merge, which notes nothing in the catalog.
struct EndedClones {
    private let context: ManagerContext
    private let volume: VolumeRow

    init(_ context: ManagerContext, _ volume: VolumeRow) {
        self.context = context
        self.volume = volume
    }

    /// What the store says of the clones, where the catalog says something else; nil else. A command that was cut
    /// while it made or deleted one is another matter: see ``Reconciler``.
    func changed() throws -> [CloneRecord]? {
        let known = try context.catalog.clones(volume: volume.record.name).map(\.record)
        guard !known.isEmpty, volume.cloning == nil else { return nil }
        let stored = try context.reader(volume).clones()
        return Set(stored) == Set(known) ? nil : stored
    }

    /// Has the catalog say what the store does.
    func takeOver() throws {
        guard let clones = try changed() else { return }
        try context.catalog.setClones(volume: volume.record.name, clones)
    }
}
