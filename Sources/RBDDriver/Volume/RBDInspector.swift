internal import System
internal import SnapshotModel
internal import StoreFormat
internal import VolumeAccess

/// A look at a volume in a cluster: its store tells by itself what it knows, and the cluster is asked only for what
/// it alone can tell.
final class RBDInspector: VolumeInspector {
    private let place: VolumePlace
    private var opened: Image?

    init(_ place: VolumePlace) { self.place = place }

    private var folder: FileFolder { FileFolder(path: place.storePath) }
    private var store: Store { Store(folder: folder) }

    /// The image, to be read; connected once.
    private func image() throws(Problem) -> Image {
        if let opened { return opened }
        let record = try store.volume()
        let image = try Image(Connection(RBDVolumeDriver.imageName(record)))
        guard try image.volumeRecord()?.uuid == record.uuid else {
            throw RBDVolumeDriver.foreignImage(record)
        }
        opened = image
        return image
    }

    var isInUse: Bool {
        get throws(Problem) {
            try doing { () throws(IOFailure) in
                try FileLock.isHeld(StoreHolder.fileName, in: folder)
            }
        }
    }

    func state(isMerging: Bool) throws(Problem) -> VolumeCondition {
        isMerging ? .merging : try isInUse ? .served : .idle
    }

    var devicePath: String? { nil }
    var hasDevices: Bool { false }
    func suspensionProblem() throws(Problem) -> Problem? { nil }
    func lostSnapshots() throws(Problem) -> [SnapshotOrdinal] { [] }
    func serverWarnings() throws(Problem) -> [Advice] { [] }

    func openProblem() throws(Problem) -> Problem? {
        let record = try store.volume()
        let image = try image()
        let revert = try RBDVolume.revert(image.connection, record)
        return try RBDVolume.openProblem(image, record, revert)
    }

    /// Without a revert in the store, the cluster need not be asked.
    func mergeProgress(at now: Timestamp) throws(Problem) -> MergeProgress? {
        guard let running = try store.runningRevert() else { return nil }
        let isMoving = try isInUse
        let limits = (try? store.mergeLimits(running.id)) ?? MergeLimits()
        let journal = try RBDVolume.revert(image().connection, store.volume())
        guard let journal, journal.record.id == running.id else { return nil }
        return journal.progress(limits, isMoving: isMoving)
    }

    func changes(since ordinal: SnapshotOrdinal) throws(Problem) -> ChunkMap {
        let record = try store.volume()
        return try SnapshotChanges(image(), store, record).map(since: ordinal)
    }

    /// By QEMU's own driver of Ceph, with the same client and configuration.
    func contentAddress(_ manifest: SnapshotManifest) throws(Problem) -> String? {
        let record = try store.volume()
        let snapshot = ImageRecords.snapshotName(manifest.ordinal, of: record.uuid)
        return try RBDVolumeDriver.imageName(record).description(ofSnapshot: snapshot)
    }

    func findings() throws(Problem) -> [Finding] {
        try ImageFindings(image(), store).all()
    }
}
