internal import BlockIO
internal import Catalog
internal import DeviceDriver
internal import DeviceMapper
internal import Glibc
internal import SnapshotModel

/// Looks at a block device that is to become the origin of a volume under device-mapper.
struct DeviceOrigin {
    private let path: String
    private let mapper: any DeviceMapping

    init(path: String, mapper: any DeviceMapping) {
        self.path = path
        self.mapper = mapper
    }

    /// What the machine must have, whatever the device is.
    ///
    /// - Throws: `failed` without root or device-mapper, `refused` on a kernel that could lose data.
    static func requireMachine(_ mapper: any DeviceMapping) throws {
        guard geteuid() == 0 else {
            throw Problem(
                .failed, "only root can change block devices", hint: "run the command as root")
        }
        try requireKernel(KernelRelease.current)
        // Says in its own words which module is missing.
        _ = try mapper.driverVersion()
    }

    /// - Throws: `refused` on a kernel that could lose data.
    static func requireKernel(_ kernel: KernelRelease?) throws {
        guard let kernel, !kernel.flushesMergedData else { return }
        throw Problem(
            .refused,
            "Linux \(kernel) may lose merged data in a power failure: its snapshot-merge does "
                + "not flush", hint: "use Linux 5.11 or newer, or --driver image")
    }

    /// The path under which a volume is to remember a device: the one that was given, unless that may
    /// be another device's after the next start of the machine.
    ///
    /// - Parameter note: hears what people should know.
    static func lastingPath(_ path: String, note: (String) -> Void) -> String {
        guard let number = try? BlockDevices.number(path), BlockDevices.isPassing(path, number)
        else { return path }
        guard let lasting = BlockDevices.lastingPath(number) else {
            note(
                "the name \(path) may be another device's after the next start of the machine, and "
                    + "there is none that lasts, as below /dev/disk/by-id")
            return path
        }
        note("the origin is remembered as \(lasting): \(path) may be another device's later")
        return lasting
    }

    /// - Parameter store: the folder of the volume's store, which need not exist yet.
    /// - Returns: the device, after everything was asked that could be in its way.
    func probe(store: String, volumes: [VolumeRow], chunkBytes: Int) throws -> OriginProbe {
        let origin = try OriginProbe(path: path, isNew: true)
        guard origin.status.kind == .blockDevice else {
            throw Problem(
                .failed, "the origin \(path) is no block device",
                hint: "use --driver image, or make a loop device of it: `losetup -f --show`")
        }
        let number = try BlockDevices.number(path)
        try origin.requireUnmanaged(by: volumes)
        try requireForeign(number)
        try origin.requireStoreElsewhere(store)
        let use = OriginUse(path: path, number: number)
        try use.requireUnused()
        try use.requireWritable()
        try requireFit(chunkBytes, origin.byteCount)
        return origin
    }

    private func requireForeign(_ number: DeviceNumber) throws {
        guard let own = try mapper.devices().first(where: { $0.number == number }) else { return }
        throw Problem(
            .refused, "the origin \(path) is snapmgr's own device \(own.name)",
            hint: "name the device that is to be managed")
    }

    private func requireFit(_ chunkBytes: Int, _ byteCount: Int) throws {
        let sectorBytes = try BlockDevices.logicalBlockSize(path)
        guard byteCount % sectorBytes == 0 else {
            throw Problem(
                .failed,
                "the origin \(path) has \(byteCount) bytes, which is no multiple of its blocks of "
                    + "\(sectorBytes)", hint: "make it larger or smaller")
        }
        guard chunkBytes % sectorBytes == 0 else {
            throw Problem(
                .usage,
                "a chunk of \(chunkBytes) bytes is no multiple of the sectors of \(path), which have "
                    + "\(sectorBytes)", hint: "choose a larger one with --chunk SIZE")
        }
    }
}
