internal import System
internal import Catalog
internal import StoreFormat
internal import SnapshotModel
internal import VolumeAccess

/// Learns which snapshots have lost exceptions, and has both the catalog and the store say so: the one
/// who served the volume has marked them in the store, and cannot write to the catalog; and a store
/// that fails takes no mark.
struct BrokenMarks {
    let context: ManagerContext

    /// Marks are looked for only where snapshots can break.
    ///
    /// - Parameter looksAtAll: also at snapshots that are known to have lost nothing.
    func takeOver(_ volumes: [VolumeRow], looksAtAll: Bool = false) throws {
        for volume in volumes where context.canBreak(volume) {
            try takeOver(volume, looksAtAll: looksAtAll)
        }
    }

    private func takeOver(_ volume: VolumeRow, looksAtAll: Bool) throws {
        let kernel = lostInKernel(volume)
        guard let reader = try? StoreReader(folder: FileFolder(path: volume.storePath)) else {
            // A store that cannot be read is the verb's own error, in its own words.
            return try note(kernel, volume)
        }
        let look = LossLook(context: context, volume: volume, reader: reader)
        // The mark of the newest snapshot is in its area's header: a full disk takes no new file.
        let inStore = looksAtAll ? try? reader.state().lostThrough : nil
        let found = looksAtAll ? nil : try? look.look()
        try note([inStore, found?.lost, kernel].compactMap(\.self).max(), volume)
        // Not before the catalog says what was lost.
        if let found, kernel == nil { look.remember(found) }
    }

    private func note(_ newest: SnapshotOrdinal?, _ volume: VolumeRow) throws {
        guard let newest else { return }
        let name = volume.record.name
        // The newest that has lost something may be deleted: its area served the older ones.
        let rows = try context.catalog.snapshots(volume: name).filter {
            (1...newest.rawValue).contains($0.ordinal.rawValue) && $0.phase == .present
                && $0.state != .broken
        }
        guard let row = rows.max(by: { $0.ordinal < $1.ordinal }) else { return }
        try context.catalog.markBroken(volume: name, upTo: newest)
        let cause = (try? context.driver(of: volume))?.traits.lossCause ?? "the store was full"
        let text = "\(cause): the snapshots up to \(row.id) are broken"
        context.note("volume \(name): \(text)")
        try context.log(.error, .snapshotsBroken, text, volume: name, snapshot: row.id)
    }

    /// What no command has marked in the store yet, or the store has not taken.
    func lostInKernel(_ volume: VolumeRow) -> SnapshotOrdinal? {
        (try? context.inspector(volume).lostSnapshots())?.last
    }

    /// Has the store say of a volume's snapshots what the catalog says: it may have failed when it was
    /// to be marked, and a restart would take them for whole.
    func writeBack(_ volume: VolumeRow) throws {
        let name = volume.record.name
        guard let ordinal = try context.catalog.brokenThrough(volume: name),
            // Whoever opens the volume sees it himself, and says so.
            lostInKernel(volume).map({ $0 < ordinal }) ?? true
        else { return }
        let isNew = try context.reader(volume).markBroken(ordinal)
        guard isNew else { return }
        let text = "the store did not say that snapshots are broken; it does now"
        context.note("volume \(name): \(text)")
        try context.log(.warning, .snapshotsBroken, text, volume: name)
    }
}
