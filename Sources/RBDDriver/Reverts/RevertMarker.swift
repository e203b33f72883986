internal import System
internal import SnapshotModel

/// What tells whether somebody has written to an image in the middle of a revert, and keeps what he has.
///
/// A revert that is stopped in order leaves a snapshot of the image as it is: what differs from it later, others have
/// written. Where there is none, and the lock is not ours any more, somebody may have.
struct RevertMarker {
    private let volume: RBDVolume
    private let id: RevertID

    init(_ volume: RBDVolume, _ id: RevertID) { (self.volume, self.id) = (volume, id) }

    private var image: Image { volume.image }
    private var name: String { Self.prefix(of: volume.record.uuid) + "\(id)" }

    static func prefix(of uuid: String) -> String { "snapmgr-stop-\(uuid)-" }
    static func keptPrefix(of uuid: String) -> String { "snapmgr-kept-\(uuid)-" }

    /// Marks the image as it is; the caller has its lock, and had it since it wrote the journal.
    func set() throws(Problem) {
        try image.flush()
        try Self.removeAll(volume)
        try image.createSnapshot(name)
    }

    /// Whether nobody has written since the image was marked; the caller has its lock.
    func isUntouched(proceed: () throws(Problem) -> Void) throws(Problem) -> Bool {
        guard try image.snapshots().contains(where: { $0.name == name }) else { return false }
        let size = try image.byteCount()
        return try image.changes(since: name, in: 0..<size, proceed: proceed).isEmpty
    }

    /// Keeps what is in the image now in a snapshot that snapmgr never removes.
    func keepPresent() throws(Problem) {
        let seconds = volume.clock.now().secondsSinceEpoch
        let kept = Self.keptPrefix(of: volume.record.uuid) + "\(id)-\(seconds)"
        try image.flush()
        if try !image.snapshots().contains(where: { $0.name == kept }) {
            try image.createSnapshot(kept)
        }
        volume.warn(
            "somebody may have written to image \(image.name.path) since the revert of volume "
                + "\(volume.name) was cut: what was in it then is kept as \(image.name.path)@\(kept); when "
                + "nobody needs it: `rbd snap rm \(image.name.path)@\(kept)\(image.name.toolOptions)`"
        )
    }

    /// Removes the marks of all reverts.
    static func removeAll(_ volume: RBDVolume) throws(Problem) {
        let prefix = prefix(of: volume.record.uuid)
        for snapshot in try volume.image.snapshots() where snapshot.name.hasPrefix(prefix) {
            try volume.image.removeSnapshot(snapshot.name)
        }
    }
}
