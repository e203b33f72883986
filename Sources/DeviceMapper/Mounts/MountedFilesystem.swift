internal import System
internal import CDeviceMapper
internal import Glibc

/// The filesystem that is mounted from a device.
package enum MountedFilesystem {
    /// Writes out what the filesystem has in memory, while writes to it go on. Best effort: it only
    /// spares whoever freezes it next that wait.
    ///
    /// - Returns: whether one is mounted, here or in another namespace.
    @discardableResult
    package static func sync(_ number: DeviceNumber) -> Bool {
        for mount in (try? DeviceHolder.mounts(of: number)) ?? [] {
            let root = mount.process.map { "/proc/\($0.id)/root" } ?? ""
            guard
                let folder = try? OwnedDescriptor(
                    path: root + mount.point, flags: O_RDONLY | O_DIRECTORY | O_NOCTTY)
            else { continue }
            // Another filesystem may be mounted over it; what was synced then does no harm.
            if snapmgr_sync_filesystem(folder.number) == 0 { return true }
        }
        return false
    }
}
