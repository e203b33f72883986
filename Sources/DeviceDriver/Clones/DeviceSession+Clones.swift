internal import System
internal import Glibc
internal import MergeKit
internal import StoreFormat
package import SnapshotModel
package import VolumeAccess

/// A clone that nobody mounts as long as this is there.
final class HeldClone {
    let name: String
    private let descriptor: OwnedDescriptor

    /// Opens its device as a filesystem that is mounted does: it is one or the other.
    ///
    /// - Throws: `refused` when it is mounted.
    init(_ name: String, path: String) throws(Problem) {
        self.name = name
        do throws(IOFailure) {
            descriptor = try OwnedDescriptor(path: path, flags: O_RDONLY | O_EXCL)
        } catch {
            guard error.code == EBUSY else { throw Problem(error) }
            throw Problem(
                .refused, "clone \(name) is open: \(path) is in use",
                hint: "unmount it, then run the command again")
        }
    }
}

// Clones.
extension DeviceSession {
    package func previewRevert(
        to id: SnapshotID, with clone: CloneUse, for client: any RequestClient
    ) throws(Problem) -> RevertPreview {
        try tidy()
        return try volume.previewRevert(to: id, with: clone)
    }

    package func revert(
        _ request: RevertRequest, with clone: CloneUse, for client: any RequestClient
    ) throws(Problem) -> RevertOutcome { try revert(request, with: clone) }

    package func previewCreateClone(
        _ request: CloneRequest, _ shape: CloneShape, for client: any RequestClient
    ) throws(Problem) {
        try requireNoSteps()
        try volume.reload()
        _ = try volume.beginning(of: request, shape)
    }

    package func createClone(
        _ request: CloneRequest, _ shape: CloneShape, for client: any RequestClient
    ) throws(Problem) -> CloneRecord {
        try requireNoSteps()
        return try volume.createClone(request, shape)
    }

    package func previewDeleteClone(
        _ name: String, for client: any RequestClient
    ) throws(Problem) -> Int {
        try tidy()
        try volume.reload()
        return try volume.previewDeleteClone(name)
    }

    package func deleteClone(
        _ name: String, for client: any RequestClient
    ) throws(Problem) -> Int {
        try requireNoSteps()
        if heldClone?.name == name { heldClone = nil }
        return try volume.deleteClone(name)
    }

    package func readClone(
        _ name: String, at offset: Int, count: Int, for client: any RequestClient
    ) throws(Problem) -> VolumeContent {
        let device = try reader(.clone(name))
        return try .read(count: count, at: offset) { (buffer, offset) throws(Problem) in
            do throws(IOFailure) { try device.read(into: &buffer, at: offset) } catch {
                throw Problem(error)
            }
        }
    }

    /// Copies a clone to a new file, through its device.
    package func exportClone(
        _ name: String, path: String, holds: Bool, for client: any RequestClient
    ) throws(Problem) -> Int {
        try requireNoSteps()
        try volume.reload()
        let device = try volume.openClone(name)
        try volume.requireClosed(volume.clone(named: name))
        let hold = try HeldClone(name, path: device)
        let source = try doing { () throws(IOFailure) in
            try FileDevice(path: device, access: .readOnly)
        }
        let bytes = try SnapshotExport(path: path).write(
            source, named: "clone \(name)", for: RefillingClient(client, volume))
        heldClone = holds ? hold : nil
        return bytes
    }
}
