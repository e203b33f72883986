package import System
internal import CDeviceMapper
internal import CSystem
internal import Glibc
internal import SnapshotModel

/// What can be asked of any block device.
package enum BlockDevices {
    /// Whether the path leads to the node of a block device.
    package static func isBlockDevice(_ path: String) -> Bool { (try? number(path)) != nil }

    /// The number of the device whose node the path leads to; ENOTBLK for anything else.
    package static func number(_ path: String) throws(IOFailure) -> DeviceNumber {
        var status = stat()
        guard stat(path, &status) == 0 else { throw .last("examine", path) }
        guard status.st_mode & S_IFMT == S_IFBLK else {
            throw IOFailure("examine", path: path, code: ENOTBLK)
        }
        return DeviceNumber(encoded: UInt64(status.st_rdev))
    }

    /// The kernel's own name of a device, such as `sda1` or `dm-3`; nil if there is none.
    package static func kernelName(_ number: DeviceNumber) -> String? {
        guard let target = SystemHint.link("/sys/dev/block/\(number)") else { return nil }
        return PathHalves(target).name
    }

    /// The device's node, as the kernel names it: `/dev/sda1`, `/dev/dm-3`. Nil if the number is no
    /// device's; the node may be missing where nobody makes nodes.
    package static func path(_ number: DeviceNumber) -> String? {
        // The kernel writes `!` for a `/` within a name.
        kernelName(number).map { "/dev/" + String($0.map { $0 == "!" ? "/" : $0 }) }
    }

    package static func sizeInSectors(_ path: String) throws(IOFailure) -> Int {
        let descriptor = try OwnedDescriptor(path: path, flags: O_RDONLY)
        var bytes: UInt64 = 0
        guard snapmgr_block_device_bytes(descriptor.number, &bytes) == 0 else {
            throw .last("read the size of", path)
        }
        return Int(clamping: bytes / 512)
    }

    /// The bytes of a logical sector: reads and writes past the page cache are whole sectors.
    package static func logicalBlockSize(_ path: String) throws(IOFailure) -> Int {
        let descriptor = try OwnedDescriptor(path: path, flags: O_RDONLY)
        var bytes: CInt = 0
        guard snapmgr_block_logical_size(descriptor.number, &bytes) == 0 else {
            throw .last("read the sector size of", path)
        }
        return Int(bytes)
    }

    /// Has Btrfs forget a device from which nothing is mounted: it refuses one of the same UUID that is older. Best
    /// effort.
    package static func forgetBtrfs(_ path: String) { _ = snapmgr_btrfs_forget(path) }

    /// Writes out what the page cache and the device's own cache hold.
    package static func flush(_ path: String) throws(IOFailure) {
        let descriptor = try OwnedDescriptor(path: path, flags: O_RDONLY)
        guard fsync(descriptor.number) == 0 else { throw .last("flush", path) }
    }
}

extension IOFailure {
    /// The failure of the system call that has just returned.
    static func last(_ operation: String, _ path: String) -> IOFailure {
        IOFailure(operation, path: path, code: errno)
    }
}
