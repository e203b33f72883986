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
/// `check --repair` finds: after a check, everything is looked at again (``CatalogStore/forgetLooks(volume:waits:)``).
/// Nobody reads a snapshot on this word: who opens the volume looks at each area.
struct LossLook {
    let context: ManagerContext
    let volume: VolumeRow
    let reader: StoreReader

    private var name: String { volume.record.name }

    /// So many snapshots more are looked at before that is noted: a note is a write.
    private static let noteInterval = 8

    /// What a look has found.
    struct Found {
        /// The newest snapshot that has lost exceptions, unless the catalog says so already.
        let lost: SnapshotOrdinal?
        fileprivate let watch: LossWatch
        fileprivate let folder: String?
        /// All up to this one are known once the catalog says what was lost; nil when nothing may be noted.
        fileprivate let known: SnapshotOrdinal?
    }

    func look() throws -> Found {
        let folder = try? FileFolder(path: volume.storePath)
            .folderIdentity(StoreLayout.snapshots)
        // Before the look: what stops to grow meanwhile may lose something after its turn.
        let safety = try reader.runningRevert()?.safety
        let watch = try context.catalog.lossWatch(volume: name, in: folder, safety: safety)
        // One that has begun since has a safety snapshot that may be older than the newest one just read.
        let isSteady = try reader.runningRevert()?.safety == safety
        let found = try reader.losses(after: watch.known, upTo: watch.newest)
        let last = found.firstUnread.map { SnapshotOrdinal(rawValue: $0.rawValue - 1) }
        let known = [watch.settled?.ordinal ?? SnapshotOrdinal(rawValue: 0), last]
            .compactMap(\.self).min()
        return Found(
            lost: found.lost, watch: watch, folder: folder, known: isSteady ? known : nil)
    }

    /// Has the catalog remember what need not be looked at again; to be called when it says what was lost.
    func remember(_ found: Found) {
        guard let folder = found.folder, let known = found.known,
            known.rawValue >= found.watch.known.rawValue.addingClamped(Self.noteInterval),
            context.catalog.access == .writable
        else { return }
        try? context.catalog.recordKnown(found.watch, upTo: known, in: folder, volume: name)
    }
}
