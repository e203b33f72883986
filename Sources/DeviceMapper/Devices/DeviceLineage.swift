internal import Glibc
package import System
internal import SnapshotModel

/// What lies below a block device or a filesystem: disks of partitions, devices of logical volumes,
/// files of loop devices, and so on down.
package struct DeviceLineage {
    /// All devices, the first one included.
    package private(set) var devices: Set<DeviceNumber> = []
    /// The files behind loop devices among them.
    package private(set) var files: Set<LoopDevice.BackingFile> = []

    private let system: any BlockSystem

    init(system: any BlockSystem) { self.system = system }

    /// What the filesystem lies on in which a file or folder is.
    ///
    /// - Parameter path: the nearest folder above counts for what does not exist.
    package init(ofFilesystemAt path: String) throws(IOFailure) {
        self.init(system: KernelBlockSystem())
        let (status, found) = try Self.nearest(path)
        try add(filesystem: status.device, at: try FileFolder.realPath(found))
    }

    private static func nearest(_ path: String) throws(IOFailure) -> (FileStatus, String) {
        let path = path.isEmpty ? "/" : path
        do throws(IOFailure) {
            return (try FileStatus(path: path), path)
        } catch {
            guard error.isNotFound, let parent = PathHalves(path).parent else { throw error }
            return try nearest(parent)
        }
    }

    /// - Parameters:
    ///   - number: of the filesystem, as `stat` tells it.
    ///   - path: of something in it, without links.
    mutating func add(filesystem number: UInt64, at path: String) throws(IOFailure) {
        let device = DeviceNumber(encoded: number)
        // Some filesystems have numbers of their own, and name their devices in another way.
        guard device.major == 0 else { return try add(device) }
        for device in try system.devices(ofFilesystemAt: path) { try add(device) }
    }

    mutating func add(_ device: DeviceNumber) throws(IOFailure) {
        guard devices.insert(device).inserted else { return }
        for lower in try system.devices(below: device) { try add(lower) }
        guard let backing = try system.backing(of: device) else { return }
        if let number = backing.number { return try add(number) }
        guard files.insert(backing.file).inserted else { return }
        try add(filesystem: backing.file.device, at: backing.path)
    }
}

/// What is behind a loop device.
struct LoopBacking {
    var file: LoopDevice.BackingFile
    var path: String
    /// Its own number when it is a block device.
    var number: DeviceNumber?
}

/// What the kernel tells of block devices; tests bring their own. What it cannot be asked is an error.
protocol BlockSystem {
    /// The disk of a partition, and the devices that a device is made of.
    func devices(below device: DeviceNumber) throws(IOFailure) -> [DeviceNumber]
    /// Nil for what is not a loop device.
    func backing(of device: DeviceNumber) throws(IOFailure) -> LoopBacking?
    /// The devices of the mounted filesystem that a path without links is in, when its number is no
    /// device's.
    func devices(ofFilesystemAt path: String) throws(IOFailure) -> [DeviceNumber]
}

/// The real one.
struct KernelBlockSystem: BlockSystem {
    func devices(below device: DeviceNumber) throws(IOFailure) -> [DeviceNumber] {
        let folder = Self.folder(device)
        var found: [DeviceNumber] = []
        for name in try SystemFile.names(folder + "/slaves") {
            if let number = try Self.number("/sys/class/block/\(name)/dev") { found.append(number) }
        }
        if try SystemFile.line(folder + "/partition") != nil,
            let disk = try Self.number(folder + "/../dev")
        {
            found.append(disk)
        }
        return found
    }

    func backing(of device: DeviceNumber) throws(IOFailure) -> LoopBacking? {
        guard let path = try SystemFile.line(Self.folder(device) + "/loop/backing_file") else {
            return nil
        }
        if let loop = try LoopDevice.all().first(where: { $0.number == device }) {
            return LoopBacking(file: loop.backing, path: path, number: loop.backingNumber)
        }
        // Who may not ask the device has its file's path, which may be of other mounts than his.
        guard let status = try? FileStatus(path: path) else { return nil }
        return LoopBacking(
            file: LoopDevice.BackingFile(device: status.device, inode: status.inode), path: path,
            number: status.kind == .blockDevice ? DeviceNumber(encoded: status.blockDevice) : nil)
    }

    func devices(ofFilesystemAt path: String) throws(IOFailure) -> [DeviceNumber] {
        let mounts = Mount.all(try SystemFile.text("/proc/self/mountinfo") ?? "")
        // A subvolume of Btrfs has a number that the table does not know: the path finds the mount.
        guard let source = Mount.holding(path, of: mounts)?.source, source.hasPrefix("/"),
            let number = try Self.nodeNumber(source)
        else { return [] }
        return try Self.btrfsDevices(with: number) ?? [number]
    }

    /// Nil for what is no block device's node here.
    private static func nodeNumber(_ path: String) throws(IOFailure) -> DeviceNumber? {
        do throws(IOFailure) { return try BlockDevices.number(path) } catch {
            guard error.isAbsence || error.code == ENOTBLK else { throw error }
            return nil
        }
    }

    /// The table names one device of a Btrfs; the others are in sysfs.
    private static func btrfsDevices(
        with number: DeviceNumber
    ) throws(IOFailure) -> [DeviceNumber]? {
        let root = "/sys/fs/btrfs"
        for filesystem in try SystemFile.names(root) {
            let folder = "\(root)/\(filesystem)/devices"
            var numbers: [DeviceNumber] = []
            for name in try SystemFile.names(folder) {
                if let found = try self.number("\(folder)/\(name)/dev") { numbers.append(found) }
            }
            if numbers.contains(number) { return numbers }
        }
        return nil
    }

    static func folder(_ device: DeviceNumber) -> String { "/sys/dev/block/\(device)" }

    private static func number(_ path: String) throws(IOFailure) -> DeviceNumber? {
        try SystemFile.line(path).flatMap { DeviceNumber(text: $0) }
    }
}

extension BlockDevices {
    /// What its maker or its software calls a device, as far as the kernel and udev tell: names that
    /// stay when its number changes.
    package static func lastingNames(_ number: DeviceNumber) -> [String] {
        let folder = KernelBlockSystem.folder(number)
        let partition = SystemHint.line(folder + "/partition")
        let disk = partition == nil ? folder : folder + "/.."
        func named(_ kind: String, _ text: String?) -> String? {
            let value = text.map { $0.split(whereSeparator: \.isWhitespace).joined(separator: "_") }
            return value.flatMap { $0.isEmpty ? nil : "\(kind)=\($0)" }
        }
        let backing = try? KernelBlockSystem().backing(of: number)
        let inode = backing.map { String($0.file.inode) }
        return [
            named(
                "wwid", SystemHint.line(disk + "/wwid") ?? SystemHint.line(disk + "/device/wwid")),
            named(
                "serial",
                SystemHint.line(disk + "/serial")
                    ?? SystemHint.line(disk + "/device/serial")),
            named("dm", SystemHint.line(disk + "/dm/uuid")),
            named("loop", inode),
            named("partition", partition),
            named("partuuid", partition == nil ? nil : partitionUUID(number)),
        ].compactMap(\.self)
    }

    private static func partitionUUID(_ number: DeviceNumber) -> String? {
        let folder = "/dev/disk/by-partuuid"
        return SystemHint.names(folder).sorted().first { name in
            (try? BlockDevices.number("\(folder)/\(name)")) == number
        }
    }
}
