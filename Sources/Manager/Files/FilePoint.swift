internal import Catalog
internal import FileSystems
internal import SnapshotModel
internal import StoreFormat
internal import VolumeAccess

/// A state of a volume whose files are looked at.
struct FilePoint {
    /// Nil is the volume as it is, and a clone.
    var snapshot: SnapshotRow?
    var clone: CloneRecord?
    var volume: VolumeRow
    var byteCount: Int

    /// As messages call it.
    var name: String {
        let of = "of volume \(volume.record.name)"
        if let clone { return "clone \(clone.name) \(of)" }
        return snapshot.map { "snapshot \($0.id) \(of)" } ?? "volume \(volume.record.name)"
    }

    /// The snapshot, or the one that a clone began as.
    var snapshotID: SnapshotID? { clone?.snapshotID ?? snapshot?.id }

    /// What is to be mounted for it; nil for the volume as it is. Nobody is to write to it.
    var target: MountTarget? {
        snapshotID.map {
            MountTarget(volume: volume.record.name, snapshot: $0, clone: clone?.name)
        }
    }

    /// What is in it, by way of who has the volume open.
    func bytes(_ session: any VolumeSession) -> SessionBytes {
        SessionBytes(session, snapshot?.id, clone: clone?.name, byteCount: byteCount)
    }
}
