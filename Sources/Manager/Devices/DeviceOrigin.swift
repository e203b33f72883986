internal import BlockIO
internal import Catalog
internal import DeviceMapper
internal import Glibc
internal import MergeKit
internal import SnapshotModel

/// Looks at a block device that is to become the origin of a volume under device-mapper.
struct DeviceOrigin {
    private let path: String
    private let mapper: any DeviceMapping

    /// How long a program that only looks at a new device, as udev does, is waited for.
    private static let lookMilliseconds = 1000

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
        if let kernel = KernelRelease.current, !kernel.flushesMergedData {
            throw Problem(
                .refused,
                "Linux \(kernel) may lose merged data in a power failure: its snapshot-merge does "
                    + "not flush", hint: "use Linux 5.11 or newer, or --driver image")
        }
        // Says in its own words which module is missing.
        _ = try mapper.driverVersion()
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
        try requireUnused(number)
        try requireFit(chunkBytes)
        return origin
    }

    private func requireForeign(_ number: DeviceNumber) throws {
        guard let own = try mapper.devices().first(where: { $0.number == number }) else { return }
        throw Problem(
            .refused, "the origin \(path) is snapmgr's own device \(own.name)",
            hint: "name the device that is to be managed")
    }

    /// Nobody may have the device open: what is written past the volume is preserved for nobody.
    private func requireUnused(_ number: DeviceNumber) throws {
        let deadline = Deadline(milliseconds: Self.lookMilliseconds)
        while true {
            let holders = DeviceHolder.list(of: number)
            let isClaimed = isClaimed()
            guard isClaimed || !holders.isEmpty else { return }
            let isPassing = !isClaimed && holders.allSatisfy(\.isProcess)
            guard isPassing, !deadline.hasPassed else { throw inUse(holders) }
            BackgroundThread.sleep(milliseconds: 50)
        }
    }

    /// Whether the kernel itself uses the device, or a part of it.
    private func isClaimed() -> Bool {
        do throws(IOFailure) {
            _ = try OwnedDescriptor(path: path, flags: O_RDWR | O_EXCL)
            return false
        } catch { return error.code == EBUSY }
    }

    private func inUse(_ holders: [DeviceHolder]) -> Problem {
        let who =
            holders.isEmpty
            ? "in use, or a part of it is" : holders.map(\.description).joined(separator: ", ")
        let point = holders.lazy.compactMap(\.mountPoint).first
        return Problem(
            .refused, "the origin \(path) is \(who)",
            hint: point.map { "run `umount \($0)`, then the command again" }
                ?? "close it, then run the command again; see `lsblk \(path)`, `fuser -v \(path)`")
    }

    private func requireFit(_ chunkBytes: Int) throws {
        let sectorBytes = try BlockDevices.logicalBlockSize(path)
        guard chunkBytes % sectorBytes == 0 else {
            throw Problem(
                .usage,
                "a chunk of \(chunkBytes) bytes is no multiple of the sectors of \(path), which have "
                    + "\(sectorBytes)", hint: "choose a larger one with --chunk SIZE")
        }
    }
}

extension DeviceHolder {
    fileprivate var isProcess: Bool {
        if case .process = self { return true }
        return false
    }

    /// Where it is mounted; nil for any other holder.
    var mountPoint: String? {
        if case .mount(let point, _) = self { return point }
        return nil
    }
}
