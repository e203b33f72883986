package import BlockIO

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
        add(filesystem: try Self.nearestFolder(path).device)
    }

    private static func nearestFolder(_ path: String) throws(IOFailure) -> FileStatus {
        do throws(IOFailure) {
            return try FileStatus(path: path.isEmpty ? "/" : path)
        } catch {
            guard error.isNotFound, let slash = path.lastIndex(of: "/") else { throw error }
            return try nearestFolder(String(path[..<slash]))
        }
    }

    mutating func add(filesystem number: UInt64) {
        let device = DeviceNumber(encoded: number)
        // Some filesystems have numbers of their own, and name their devices in another way.
        guard device.major == 0 else { return add(device) }
        for device in system.devices(ofFilesystem: device) { add(device) }
    }

    mutating func add(_ device: DeviceNumber) {
        guard devices.insert(device).inserted else { return }
        for lower in system.devices(below: device) { add(lower) }
        guard let file = system.file(behind: device), files.insert(file).inserted else { return }
        add(filesystem: file.device)
    }
}

/// What the kernel tells of block devices; tests bring their own.
protocol BlockSystem {
    /// The disk of a partition, and the devices that a device is made of.
    func devices(below device: DeviceNumber) -> [DeviceNumber]
    /// The file behind a loop device.
    func file(behind device: DeviceNumber) -> LoopDevice.BackingFile?
    /// The devices of a mounted filesystem whose number is no device's.
    func devices(ofFilesystem number: DeviceNumber) -> [DeviceNumber]
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

    func file(behind device: DeviceNumber) -> LoopDevice.BackingFile? {
        guard let path = SystemFile.line(Self.folder(device) + "/loop/backing_file") else {
            return nil
        }
        if let loop = LoopDevice.all().first(where: { $0.number == device }) { return loop.backing }
        return try? LoopDevice.BackingFile(path: path)
    }

    func devices(ofFilesystem number: DeviceNumber) -> [DeviceNumber] {
        Mount.all(SystemFile.text("/proc/self/mountinfo") ?? "").filter { $0.number == number }
            .compactMap { $0.source.hasPrefix("/") ? try? BlockDevices.number($0.source) : nil }
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
        let inode = KernelBlockSystem().file(behind: number).map { String($0.inode) }
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
