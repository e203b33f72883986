internal import System
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
    static func requireMachine(_ driver: DeviceVolumeDriver) throws(Problem) {
        guard geteuid() == 0 else {
            throw Problem(
                .failed, "only root can change block devices", hint: "run the command as root")
        }
        try requireKernel(driver.kernel)
        // Says in its own words which module is missing.
        _ = try asking { () throws(DeviceFailure) in try driver.mapper.driverVersion() }
    }

    /// - Throws: `refused` on a kernel that could lose data.
    static func requireKernel(_ kernel: KernelRelease?) throws(Problem) {
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

    /// Whether nothing is in the way of a volume on the device.
    func requireUsable(byteCount: Int, chunkBytes: Int) throws(Problem) {
        let number = try doing { () throws(IOFailure) in try BlockDevices.number(path) }
        try requireForeign(number)
        let use = OriginUse(path: path, number: number)
        try use.requireUnused()
        try use.requireWritable()
        try requireFit(chunkBytes, byteCount)
    }

    private func requireForeign(_ number: DeviceNumber) throws(Problem) {
        let devices = try asking { () throws(DeviceFailure) in try mapper.devices() }
        guard let own = devices.first(where: { $0.number == number }) else { return }
        throw Problem(
            .refused, "the origin \(path) is snapmgr's own device \(own.name)",
            hint: "name the device that is to be managed")
    }

    private func requireFit(_ chunkBytes: Int, _ byteCount: Int) throws(Problem) {
        let sectorBytes = try doing { () throws(IOFailure) in
            try BlockDevices.logicalBlockSize(path)
        }
        guard byteCount % sectorBytes == 0 else {
            throw Problem(
                .failed,
                "the origin \(path) has \(byteCount) bytes, which is not a multiple of its blocks of "
                    + "\(sectorBytes)", hint: "make it larger or smaller")
        }
        guard chunkBytes % sectorBytes == 0 else {
            throw Problem(
                .usage,
                "a chunk of \(chunkBytes) bytes is not a multiple of the sectors of \(path), which have "
                    + "\(sectorBytes)", hint: "choose a larger one with --chunk SIZE")
        }
    }
}
