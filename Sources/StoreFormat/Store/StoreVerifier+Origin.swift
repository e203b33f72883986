internal import System
internal import SnapshotModel

// What the store knows of its origin.
extension StoreVerifier {
    mutating func checkOrigin(_ record: VolumeRecord) throws(Problem) {
        // Its driver looks at it.
        guard record.hasOriginPath else { return }
        guard let origin else {
            report(
                .damage, "origin", "\(record.originPath) cannot be opened",
                remedy: "check the path and the permissions")
            return
        }
        let size = try doing { () throws(IOFailure) in try origin.byteCount() }
        if size < record.geometry.volumeBytes {
            report(
                .damage, "origin",
                "\(origin.path) has \(size) bytes, the volume \(record.geometry.volumeBytes)",
                remedy: "put the right file back")
        }
        let stamp = try doing { () throws(IOFailure) in try origin.stamp() }
        if let state = try store.originState(), state.isClosed, let known = state.stamp, let stamp,
            stamp != known
        {
            report(
                .warning, "origin",
                "\(origin.path) was changed by somebody else since it was closed",
                remedy: "snapshots show the changed bytes wherever they share them with the "
                    + "origin; --data lists how much each shares")
        }
    }
}
