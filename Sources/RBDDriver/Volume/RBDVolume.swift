internal import System
internal import MergeKit
internal import SnapshotModel
internal import StoreFormat
internal import VolumeAccess

/// A volume whose image this process has open, and whose store it has to itself.
///
/// The store has a folder with a manifest for each snapshot, as every store; the areas in them hold nothing. What a
/// snapshot holds is the cluster's.
final class RBDVolume {
    let folder: FileFolder
    let connection: Connection
    /// The image as it is, to be changed.
    let image: Image
    let clock: any Clock
    private(set) var record: VolumeRecord
    private(set) var state: VolumeState
    /// The revert that is not done yet.
    private(set) var revert: ImageRevert?
    /// What differs between the revert's target and the image, as long as nobody else can write to it.
    var differing: [Range<Int>]?
    /// What opening it has found.
    private(set) var warnings: [Advice] = []
    private var lock: FileLock?
    /// The snapshots that were read last, by their names.
    private var views: [Image] = []

    /// What is half done is finished, except for the copying of a revert.
    ///
    /// - Throws: as ``VolumeDriver/open(_:)``.
    static func open(
        _ place: VolumePlace, purpose: String, clock: any Clock
    ) throws(Problem) -> RBDVolume {
        let folder = FileFolder(path: place.storePath)
        let lock = try StoreHolder.waiting(for: place.storePath) { () throws(Problem) in
            try StoreHolder.lock(folder, purpose: purpose)
        }
        return try RBDVolume(folder, lock, clock)
    }

    /// - Parameter lock: the store's; nil when somebody else in this process has it.
    init(_ folder: FileFolder, _ lock: FileLock?, _ clock: any Clock) throws(Problem) {
        let store = Store(folder: folder)
        (self.folder, self.lock, self.clock) = (folder, lock, clock)
        record = try store.volume()
        connection = try Connection(RBDVolumeDriver.imageName(record))
        image = try Image(connection, isReadOnly: false)
        state = try StoreReading(store, record).state
        try requireOwnImage()
        try ImageRecovery(self).run()
        try reload()
    }

    var store: Store { Store(folder: folder) }
    var name: String { record.name }

    /// Another image may have got the name.
    private func requireOwnImage() throws(Problem) {
        guard let known = try image.volumeRecord(), known.uuid == record.uuid else {
            throw RBDVolumeDriver.foreignImage(record)
        }
        if let owner = known.owner, owner.state != record.owner?.state {
            throw Problem(
                .refused,
                "volume \(name) was taken over by the state \(owner): image \(image.name.path) says so",
                hint: "use that state, or take it back: "
                    + "\(.catalogRebuildStore(folder.path, takesOver: true))")
        }
        if known != record { try image.setVolumeRecord(record) }
    }

    /// Whoever wants the volume next can have it, also while this is still there.
    func close() {
        closeViews()
        lock = nil
    }

    // MARK: State

    /// Reads the store again, after a change.
    func reload() throws(Problem) { state = try StoreReading(store, record).state }

    func changeRecord(_ change: (inout VolumeRecord) -> Void) throws(Problem) {
        var next = record
        change(&next)
        guard next != record else { return }
        try store.writeVolume(next)
        record = next
        try image.setVolumeRecord(next)
    }

    func warn(_ advice: Advice) { warnings.append(advice) }

    // MARK: The journal

    private var journal: String { ImageRevert.objectName(record.uuid) }

    func loadRevert() throws(Problem) -> ImageRevert? {
        revert = try Self.revert(connection, record)
        return revert
    }

    /// A volume's journal as it is in the pool.
    static func revert(
        _ connection: Connection, _ record: VolumeRecord
    ) throws(Problem) -> ImageRevert? {
        let object = ImageRevert.objectName(record.uuid)
        guard let bytes = try connection.read(object, maximum: ImageRevert.byteMaximum) else {
            return nil
        }
        return try ImageRevert(
            decoding: bytes, path: "the object \(object) of pool \(connection.name.pool)")
    }

    func setRevert(_ next: ImageRevert) throws(Problem) {
        try connection.write(next.encoded(), to: journal)
        revert = next
    }

    func removeRevert() throws(Problem) {
        try connection.remove(journal)
        revert = nil
    }

    // MARK: Snapshots

    func snapshotName(_ ordinal: SnapshotOrdinal) -> String {
        ImageRecords.snapshotName(ordinal, of: record.uuid)
    }

    /// A snapshot, open to be read.
    ///
    /// - Throws: `broken` when somebody else has removed it.
    func view(_ manifest: SnapshotManifest) throws(Problem) -> Image {
        let name = snapshotName(manifest.ordinal)
        if let view = views.first(where: { $0.snapshot == name }) { return view }
        do throws(Problem) {
            let view = try Image(connection, snapshot: name)
            // A comparison reads two by turns.
            views = views.suffix(1) + [view]
            return view
        } catch {
            guard error.code == .notFound else { throw error }
            throw goneProblem(manifest)
        }
    }

    func closeViews() { views = [] }

    func goneProblem(_ manifest: SnapshotManifest) -> Problem {
        Problem(
            .broken,
            "snapshot \(manifest.id) of volume \(name) is gone: image \(image.name.path) has no "
                + "\(snapshotName(manifest.ordinal)) any more",
            hint:
                "somebody has removed it there; see \(.list(name)) for others, and delete this one")
    }

    /// The size that a change relies on.
    ///
    /// - Throws: `refused` when somebody else has changed it.
    func requireSize() throws(Problem) {
        let bytes = try image.byteCount()
        if let revert, revert.imageBytes != bytes { throw resizedProblem(revert) }
        guard bytes != record.geometry.volumeBytes else { return }
        throw Problem(
            .refused,
            "image \(image.name.path) has \(bytes) bytes, volume \(name) "
                + "\(record.geometry.volumeBytes): somebody has resized it",
            hint: "have the volume follow: \(.volumeResize(name, bytes: bytes))")
    }

    private func resizedProblem(_ revert: ImageRevert) -> Problem {
        Problem(
            .refused,
            "image \(image.name.path) was resized while a revert of volume \(name) was half done",
            hint: "give it its size back: `rbd resize --allow-shrink --size \(revert.imageBytes)B "
                + "\(image.name.path)\(image.name.toolOptions)`, then \(.mergeResume(name))")
    }

    /// A snapshot's folder with an area that holds nothing; it does not count yet.
    static func createFolder(
        _ ordinal: SnapshotOrdinal, in store: Store, _ record: VolumeRecord
    ) throws(Problem) {
        let format = AreaFormat(chunkBytes: record.geometry.chunkBytes)
        let device = try store.createSnapshotFolder(ordinal, areaBytes: 2 * format.chunkBytes)
        try doing { () throws(IOFailure) in
            _ = try GrowingArea.create(
                on: device, ordinal: ordinal, format: format,
                originChunkCount: record.geometry.chunkCount, kernel: CopyKernel())
        }
    }
}
