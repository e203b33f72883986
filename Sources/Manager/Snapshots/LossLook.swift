internal import Catalog
internal import SnapshotModel
internal import StoreFormat
internal import System

/// Looks for snapshots that have lost exceptions, of which there may be many: at those alone that may have
/// lost some since they were looked at last.
///
/// An area loses exceptions while it takes them: that of the newest snapshot, and that of a running merge's
/// safety snapshot. Whoever takes a newer snapshot marks what was lost first, and no older area ever takes any
/// again. So what was whole when it had stopped to grow stays so, but for what people do to the store and
/// `check --repair` finds: after a check, everything is looked at again (``CatalogStore/forgetLooks(volume:)``).
/// Nobody reads a snapshot on this word: who opens the volume looks at each area.
struct LossLook {
    let context: ManagerContext
    let volume: VolumeRow
    let reader: StoreReader

    private var name: String { volume.record.name }

    /// So many snapshots more are looked at before that is noted: a note is a write.
    private static let noteInterval = 8

    /// The newest snapshot that has lost exceptions, unless the catalog says so already.
    ///
    /// - Parameter remembers: whether the catalog may remember that nothing was lost.
    func lostThrough(remembers: Bool) throws -> SnapshotOrdinal? {
        let folder = try? FileFolder(path: volume.storePath)
            .folderIdentity(StoreLayout.snapshots)
        // Before the look: what stops to grow meanwhile may lose something after its turn.
        let safety = try reader.runningRevert()?.safety
        let watch = try context.catalog.lossWatch(volume: name, in: folder, safety: safety)
        let found = try reader.losses(after: watch.known, upTo: watch.newest)
        if found.lost == nil, !found.hasUnread, remembers, let folder, let settled = watch.settled,
            settled.ordinal.rawValue >= watch.known.rawValue.addingClamped(Self.noteInterval),
            context.catalog.access == .writable
        {
            try? context.catalog.recordWhole(settled, in: folder, volume: name)
        }
        return found.lost
    }
}
