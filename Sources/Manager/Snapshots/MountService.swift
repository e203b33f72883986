internal import System
internal import Catalog
internal import Glibc
package import SnapshotModel
internal import VolumeAccess

/// A snapshot that was mounted or unmounted.
package struct MountReport: Hashable, Sendable {
    package var volume: String
    /// Nil when it was the volume itself that was unmounted.
    package var snapshot: SnapshotID?
    package var devicePath: String
    package var folder: String
    /// The kernel's word for the filesystem; nil when it was unmounted.
    package var filesystem: String?
}

extension MountReport: JSONConvertible {
    package var json: JSONValue {
        [
            "volume": JSONValue(volume), "snapshot_id": JSONValue(snapshot),
            "device": JSONValue(devicePath), "directory": JSONValue(folder),
            "filesystem": JSONValue(filesystem),
        ]
    }
}

/// Mounts old snapshots of volumes under device-mapper, read-only.
package struct MountService {
    let context: ManagerContext

    /// Opens a snapshot as a device, and mounts it. What fails leaves no device behind.
    ///
    /// - Throws: `refused` for an image, an inactive volume, and for what is not a filesystem.
    package func mount(_ reference: String, on folder: String) throws -> MountReport {
        let row = try ReferenceResolver(context).snapshot(reference)
        let folder = try existingFolder(folder)
        try Reconciler(context).tidy([row.volume])
        try context.requireWhole(row)
        let volume = try context.volume(row.volume)
        return try context.withDevices(
            volume, else: "its snapshots are not devices of the kernel's"
        ) { devices in
            try devices.recover()
            let device = try devices.openView(row.id)
            do {
                let kind = try mount(device, row.id, on: folder)
                if kind == .ext4 { try noteJournal(device, row.id) }
                return MountReport(
                    volume: row.volume, snapshot: row.id, devicePath: device, folder: folder,
                    filesystem: kind.rawValue)
            } catch {
                // Stays when somebody else has it open.
                try? devices.sweepViews([row.id])
                throw error
            }
        }
    }

    private func mount(
        _ device: String, _ id: SnapshotID, on folder: String
    ) throws -> FilesystemKind {
        let kind = try FilesystemKind.detect(try FileDevice(path: device, access: .readOnly))
        guard let kind, let options = kind.mountOptions else {
            throw Problem(
                .refused,
                "snapshot \(id) cannot be mounted: "
                    + (kind?.obstacle ?? "what it holds is not a filesystem that is known"),
                hint: "write it to a file: \(.export(id))")
        }
        // What a snapshot holds is data: none of it shall give anybody powers on this machine.
        let flags = UInt(MS_RDONLY | MS_NOSUID | MS_NODEV)
        guard Glibc.mount(device, folder, kind.rawValue, flags, options) == 0 else {
            let failure = IOFailure("mount \(device) on", path: folder, code: errno)
            throw Problem(
                .failed, "\(failure), as \(kind.rawValue) with ro,nosuid,nodev,\(options)",
                hint: "see `dmesg`")
        }
        return kind
    }

    /// A filesystem that was in use without the kernel knowing, as in a virtual machine's disk, has its
    /// last changes in its journal alone, and that cannot be replayed on a device that is read-only.
    private func noteJournal(_ device: String, _ id: SnapshotID) throws {
        guard try FilesystemKind.needsRecovery(FileDevice(path: device, access: .readOnly)) else {
            return
        }
        context.advise(
            "the ext4 in snapshot \(id) was in use, and its last changes, which are in its journal, are "
                + "not shown: for those, run \(.export(id)), and mount the file")
    }

    private func existingFolder(_ path: String) throws -> String {
        let path = try Paths.absolute(path)
        guard try Paths.exists(path) else {
            throw Problem(
                .notFound, "the folder \(path) does not exist", hint: "run `mkdir \(path)`")
        }
        guard try FileStatus(path: path).kind == .folder else {
            throw Problem(.failed, "\(path) is not a folder", hint: "name a folder to mount on")
        }
        return path
    }

    // MARK: Unmounting

    /// Unmounts a snapshot, and closes its device unless it is mounted elsewhere, too; or the volume
    /// itself, and does the revert that waited for this.
    ///
    /// - Throws: `refused` while it is in use, `notFound` when no snapshot is mounted there.
    package func unmount(_ folder: String) throws -> MountReport {
        let folder = try existingFolder(folder)
        let (device, volume, id) = try mountedDevice(folder)
        guard umount2(folder, 0) == 0 else { throw refusal(errno, folder) }
        if let id {
            // Mounted a second time, or read by a server's client, it is still open.
            try context.withDevices(volume) { try $0.sweepViews([id]) }
        } else {
            QueuedReverts(context).runQuietly(volume)
        }
        return MountReport(
            volume: volume.record.name, snapshot: id, devicePath: device, folder: folder)
    }

    private func mountedDevice(
        _ folder: String
    ) throws -> (device: String, volume: VolumeRow, snapshot: SnapshotID?) {
        let number = try FileStatus(path: folder).device
        for devices in context.drivers.deviceAbilities {
            guard let owner = try devices.owner(ofDevice: number), isMountPoint(folder) else {
                continue
            }
            return (owner.path, try context.volume(owner.volume), owner.snapshot)
        }
        throw Problem(
            .notFound, "no snapshot is mounted on \(folder)",
            hint: "run `findmnt` to see what is mounted where")
    }

    private func isMountPoint(_ folder: String) -> Bool {
        let above = try? FileStatus(path: folder + "/..")
        let status = try? FileStatus(path: folder)
        return above?.device != status?.device
    }

    private func refusal(_ code: Int32, _ folder: String) -> Problem {
        let failure = IOFailure("unmount", path: folder, code: code)
        guard code == EBUSY else { return Problem(.failed, failure.description) }
        return Problem(
            .refused, "\(failure): somebody uses files on it",
            hint: "see who with `fuser -vm \(folder)`, then run the command again")
    }
}
