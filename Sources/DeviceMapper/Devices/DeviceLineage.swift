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
        add(filesystem: status.device, at: try FileFolder.realPath(found))
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
    mutating func add(filesystem number: UInt64, at path: String) {
        let device = DeviceNumber(encoded: number)
        // Some filesystems have numbers of their own, and name their devices in another way.
        guard device.major == 0 else { return add(device) }
        for device in system.devices(ofFilesystemAt: path) { add(device) }
    }

    mutating func add(_ device: DeviceNumber) {
        guard devices.insert(device).inserted else { return }
        for lower in system.devices(below: device) { add(lower) }
        guard let backing = system.backing(of: device) else { return }
        if let number = backing.number { return add(number) }
        guard files.insert(backing.file).inserted else { return }
        add(filesystem: backing.file.device, at: backing.path)
    }
}

/// What is behind a loop device.
struct LoopBacking {
    var file: LoopDevice.BackingFile
    var path: String
    /// Its own number when it is a block device.
    var number: DeviceNumber?
}

/// What the kernel tells of block devices; tests bring their own.
protocol BlockSystem {
    /// The disk of a partition, and the devices that a device is made of.
    func devices(below device: DeviceNumber) -> [DeviceNumber]
    /// Nil for what is not a loop device.
    func backing(of device: DeviceNumber) -> LoopBacking?
    /// The devices of the mounted filesystem that a path without links is in, when its number is no
    /// device's.
    func devices(ofFilesystemAt path: String) -> [DeviceNumber]
}

/// The real one.
struct KernelBlockSystem: BlockSystem {
    func devices(below device: DeviceNumber) -> [DeviceNumber] {
        let folder = Self.folder(device)
        var found = SystemFile.names(folder + "/slaves").compactMap { name in
            Self.number("/sys/class/block/\(name)/dev")
        }
        if SystemFile.line(folder + "/partition") != nil,
            let disk = Self.number(folder + "/../dev")
        {
            found.append(disk)
        }
        return found
    }

    func backing(of device: DeviceNumber) -> LoopBacking? {
        guard let path = SystemFile.line(Self.folder(device) + "/loop/backing_file") else {
            return nil
        }
        if let loop = LoopDevice.all().first(where: { $0.number == device }) {
            return LoopBacking(file: loop.backing, path: path, number: loop.backingNumber)
        }
        guard let status = try? FileStatus(path: path) else { return nil }
        return LoopBacking(
            file: LoopDevice.BackingFile(device: status.device, inode: status.inode), path: path,
            number: status.kind == .blockDevice ? DeviceNumber(encoded: status.blockDevice) : nil)
    }

    func devices(ofFilesystemAt path: String) -> [DeviceNumber] {
        let mounts = Mount.all(SystemFile.text("/proc/self/mountinfo") ?? "")
        // A subvolume of Btrfs has a number that the table does not know: the path finds the mount.
        guard let source = Mount.holding(path, of: mounts)?.source, source.hasPrefix("/"),
            let number = try? BlockDevices.number(source)
        else { return [] }
        return Self.btrfsDevices(with: number) ?? [number]
    }

    /// The table names one device of a Btrfs; the others are in sysfs.
    private static func btrfsDevices(with number: DeviceNumber) -> [DeviceNumber]? {
        let root = "/sys/fs/btrfs"
        return SystemFile.names(root).lazy.map { filesystem in
            SystemFile.names("\(root)/\(filesystem)/devices").compactMap { name in
                Self.number("\(root)/\(filesystem)/devices/\(name)/dev")
            }
        }.first { $0.contains(number) }
    }

    static func folder(_ device: DeviceNumber) -> String { "/sys/dev/block/\(device)" }

    private static func number(_ path: String) -> DeviceNumber? {
        SystemFile.line(path).flatMap { DeviceNumber(text: $0) }
    }
}

extension BlockDevices {
    /// What its maker or its software calls a device, as far as the kernel and udev tell: names that
    /// stay when its number changes.
    package static func lastingNames(_ number: DeviceNumber) -> [String] {
        let folder = KernelBlockSystem.folder(number)
        let partition = SystemFile.line(folder + "/partition")
        let disk = partition == nil ? folder : folder + "/.."
        func named(_ kind: String, _ text: String?) -> String? {
            let value = text.map { $0.split(whereSeparator: \.isWhitespace).joined(separator: "_") }
            return value.flatMap { $0.isEmpty ? nil : "\(kind)=\($0)" }
        }
        let inode = KernelBlockSystem().backing(of: number).map { String($0.file.inode) }
        return [
            named(
                "wwid", SystemFile.line(disk + "/wwid") ?? SystemFile.line(disk + "/device/wwid")),
            named(
                "serial",
                SystemFile.line(disk + "/serial")
                    ?? SystemFile.line(disk + "/device/serial")),
            named("dm", SystemFile.line(disk + "/dm/uuid")),
            named("loop", inode),
            named("partition", partition),
            named("partuuid", partition == nil ? nil : partitionUUID(number)),
        ].compactMap(\.self)
    }

    private static func partitionUUID(_ number: DeviceNumber) -> String? {
        let folder = "/dev/disk/by-partuuid"
        return SystemFile.names(folder).sorted().first { name in
            (try? BlockDevices.number("\(folder)/\(name)")) == number
        }
    }
}
