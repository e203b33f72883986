package import System
package import DeviceMapper
internal import OriginAccess
package import SnapshotModel
internal import StoreFormat
package import VolumeAccess

/// Block devices whose snapshots and merges are the kernel's, under device-mapper.
package struct DeviceVolumeDriver: VolumeDriver {
    static let driverName: DriverName = "dm"

    /// What this process does, told to those who find a store locked by it.
    let purpose: String
    let clock: any Clock
    let mapper: any DeviceMapping
    /// Another one may have been started since a volume was created.
    let kernel: KernelRelease?

    package init(
        purpose: String, clock: any Clock = SystemClock(),
        mapper: any DeviceMapping = KernelDeviceMapper(),
        kernel: KernelRelease? = KernelRelease.current
    ) {
        self.purpose = purpose
        self.clock = clock
        self.mapper = mapper
        self.kernel = kernel
    }

    package var name: DriverName { Self.driverName }
    package var devices: (any DeviceAbility)? { KernelDevices(self) }

    package var traits: DriverTraits {
        DriverTraits(
            noun: "under device-mapper", storeFullPolicy: .breakSnapshots,
            lossCause: "the store was full, or failed, or a device was removed",
            opensOriginByPath: false, tellsMergeRate: false,
            throttleNote: "the kernel's limit is the machine's: merges and first writes of all "
                + "volumes under device-mapper are slower until the merge ends",
            mergesByItself: true, areasGrow: false, hasClones: true)
    }

    // MARK: Origins, and new volumes

    package func requireMachine() throws(Problem) { try DeviceOrigin.requireMachine(self) }

    package func check(_ wish: NewVolume) throws(Problem) {
        guard !wish.makesOrigin else {
            throw Problem(
                .usage, "a block device is not made: it must be there",
                hint: "leave out --create-size, or use --driver image")
        }
        guard wish.storeFullPolicy != .breakWrites else {
            throw Problem(
                .usage,
                "a write to a volume under device-mapper cannot fail for want of space in its "
                    + "store: the kernel gives the snapshots up",
                hint: "leave out --when-full, and let \(.daemon) make room before")
        }
    }

    package func lastingPath(_ path: String, note: (String) -> Void) -> String? {
        DeviceOrigin.lastingPath(path, note: note)
    }

    package func requireKind(
        isBlockDevice: Bool, path: String, volume: String?
    ) throws(Problem) {
        guard !isBlockDevice else { return }
        throw Problem(
            .failed, "the origin \(path) is not a block device",
            hint: volume.map { "name the device that holds the data of volume \($0)" }
                ?? "use --driver image, or make a loop device of it: `losetup -f --show`")
    }

    package func requireUsable(
        _ path: String, byteCount: Int, chunkBytes: Int
    ) throws(Problem) {
        try DeviceOrigin(path: path, mapper: mapper).requireUsable(
            byteCount: byteCount, chunkBytes: chunkBytes)
    }

    /// The kernel has the origin as soon as the volume is active.
    package func claimOrigin(
        _ path: String, volume: String, recorded: OriginIdentity?
    ) throws(Problem) -> (any OriginClaim)? { nil }

    package func setOrigin(
        _ path: String, of place: VolumePlace
    ) throws(Problem) -> any OriginClaim {
        let origin = try OriginGuard.acquire(path: path, volume: place.name, recorded: nil)
        let number = try doing { () throws(IOFailure) in try BlockDevices.number(path) }
        let marks = try doing { () throws(IOFailure) in try DeviceMarks.of(number) }
        try Store(folder: FileFolder(path: place.storePath))
            .nameOrigin(path, origin.open()) { $0.deviceIdentity = marks.isEmpty ? nil : marks }
        return origin
    }

    /// What is in the way is told by the activation.
    package func originProblem(_ place: VolumePlace) throws(Problem) -> Problem? { nil }

    // MARK: Looking, opening, serving

    package func inspector(at place: VolumePlace) -> any VolumeInspector {
        DeviceInspector(place.record, storePath: place.storePath, mapper: mapper)
    }

    package func open(_ place: VolumePlace) throws(Problem) -> any VolumeSession {
        let volume = try openVolume(place)
        try volume.recover()
        // What cannot be swept now is named by who needs it gone.
        try? volume.sweepViews()
        return DeviceSession(volume)
    }

    func openVolume(_ place: VolumePlace) throws(Problem) -> DeviceVolume {
        let (storePath, purpose, mapper, clock) = (place.storePath, purpose, mapper, clock)
        return try StoreHolder.waiting(for: storePath) { () throws(Problem) -> DeviceVolume? in
            try DeviceVolume.openUnlessHeld(
                storePath: storePath, purpose: purpose, mapper: mapper, clock: clock)
        }
    }

    package func server(of place: VolumePlace) throws(Problem) -> (any VolumeSession)? { nil }

    /// The kernel has the origin, and the store's lock stays free.
    package func requireServable(_ place: VolumePlace) throws(Problem) {}

    package func requirePresent(_ place: VolumePlace) throws(Problem) {
        guard (try? FileStatus(path: DeviceInspector.devicePath(ofVolume: place.name))) != nil
        else {
            throw DeviceInspector.inactiveProblem(place.name)
        }
    }

    package func serve(
        _ place: VolumePlace, report: @escaping @Sendable (Advice) -> Void,
        letGo: @escaping @Sendable () -> Void
    ) throws(Problem) -> any ServedVolume {
        ServedDevice.start(place, mapper: mapper, report: report)
    }
}
