import System
import DeviceDriver
import DeviceMapper
import Glibc
import StoreFormat
import SnapshotModel
import TestKit
import VolumeAccess

/// A volume under device-mapper on the first scratch disk, its store on an ext4 on the second.
final class DriverRig {
    static let name = "vol"
    static let mountPoint = "/mnt/snapmgr-store"

    let mapper: any DeviceMapping
    let originPath: String
    let storePath: String
    let chunkBytes: Int
    private(set) var volumeBytes: Int
    private var nextSnapshot: Int64 = 1
    private var nextRevert: Int64 = 1
    /// What sessions have said since it was last asked for.
    private var warnings: [String] = []

    /// Makes a filesystem for the store, the store, and the volume's devices.
    init(
        _ context: GuestContext, volumeBytes: Int, chunkBytes: Int,
        mapper: any DeviceMapping = KernelDeviceMapper(), filesystem: String = "ext4",
        isZeroed: Bool = true, originPath: String? = nil
    ) throws {
        self.mapper = mapper
        self.volumeBytes = volumeBytes
        self.chunkBytes = chunkBytes
        let originPath = originPath ?? context.disks[0]
        self.originPath = originPath
        storePath = Self.mountPoint + "/vol"
        context.cleanUp { [self] in
            try takeDown()
            _ = umount(Self.mountPoint)
        }
        if isZeroed { try Self.zero(originPath, volumeBytes) }
        try Self.mountStore(context.disks[1], filesystem)
        try Self.createStore(
            storePath, originPath: originPath, volumeBytes: volumeBytes, chunkBytes: chunkBytes)
        try activate()
    }

    /// Takes over what a rig before a crash has left on the disks.
    init(
        reopening context: GuestContext, volumeBytes: Int, chunkBytes: Int,
        originPath: String? = nil
    ) throws {
        mapper = KernelDeviceMapper()
        self.volumeBytes = volumeBytes
        self.chunkBytes = chunkBytes
        let originPath = originPath ?? context.disks[0]
        self.originPath = originPath
        storePath = Self.mountPoint + "/vol"
        context.cleanUp { [self] in
            try takeDown()
            _ = umount(Self.mountPoint)
        }
        _ = mkdir(Self.mountPoint, 0o700)
        try Self.mount(context.disks[1], "ext4")
        try activate()
    }

    private static func zero(_ path: String, _ count: Int) throws {
        let device = try DirectDevice(path: path)
        try device.punch(0..<count)
        try device.sync()
    }

    static func mountStore(_ disk: String, _ filesystem: String) throws {
        switch filesystem {
        // Nothing is discarded: the host would have to allocate it anew.
        case "xfs": try Program.run("mkfs.xfs", "-q", "-f", "-K", disk)
        default: try Program.run("mkfs.ext4", "-q", "-F", "-E", "nodiscard", disk)
        }
        _ = mkdir(mountPoint, 0o700)
        try mount(disk, filesystem)
    }

    private static func mount(_ disk: String, _ filesystem: String) throws {
        let result = Glibc.mount(disk, mountPoint, filesystem, 0, nil)
        try expect(result == 0, "the store's filesystem is not mounted: error \(errno)")
    }

    private static func createStore(
        _ path: String, originPath: String, volumeBytes: Int, chunkBytes: Int
    ) throws {
        _ = mkdir(path, 0o700)
        let record = VolumeRecord(
            name: name, uuid: "6f1b0f8e-5b0f-4c55-9a4f-0d7a2d1c9b11", driver: "dm",
            originPath: originPath,
            geometry: Geometry(volumeBytes: volumeBytes, chunkBytes: chunkBytes),
            storeFullPolicy: .breakWrites, createdAt: SystemClock().now())
        try Store(folder: FileFolder(path: path)).create(record)
    }

    // MARK: The volume

    var devicePath: String { DeviceName(volume: Self.name, .mounted).path }

    func volume() throws -> DeviceVolume {
        try require(
            try DeviceVolume.openUnlessHeld(
                storePath: storePath, purpose: "test", mapper: mapper, clock: SystemClock()),
            "volume that nobody has open")
    }

    func activate() throws {
        let volume = try volume()
        try volume.activate()
        warnings += volume.warnings.map(\.description)
    }

    func deactivate() throws {
        let volume = try volume()
        try volume.deactivate()
        warnings += volume.warnings.map(\.description)
    }

    /// A session, as each command has one.
    func withSession<Result>(_ body: (DeviceSession) throws -> Result) throws -> Result {
        let volume = try volume()
        try volume.recover()
        let session = DeviceSession(volume)
        warnings += session.warnings.map(\.description)
        let result: Result
        do { result = try body(session) } catch {
            session.close()
            throw error
        }
        session.close()
        // A store that is made to fail is read by nobody.
        if let difference = (try? storedState()).flatMap(volume.state.mismatch) {
            try expect(false, "the volume and its store differ in its state: \(difference)")
        }
        return result
    }

    /// What who only reads the store takes the volume's state for.
    func storedState() throws -> VolumeState {
        try StoreReader(folder: FileFolder(path: storePath)).state()
    }

    func perform(_ request: VolumeRequest) throws -> VolumeReply {
        try withSession { try $0.perform(request) }
    }

    func takeWarnings() -> [String] {
        defer { warnings = [] }
        return warnings
    }

    /// Opens the volume, and closes it again.
    func withDevice<Result>(_ body: (DirectDevice) throws -> Result) throws -> Result {
        try body(try DirectDevice(path: devicePath))
    }

    // MARK: Requests

    func snapshotRequest(_ kind: SnapshotKind = .manual) -> SnapshotRequest {
        defer { nextSnapshot += 1 }
        return SnapshotRequest(
            id: SnapshotID(rawValue: nextSnapshot), description: SnapshotDescription(kind: kind))
    }

    @discardableResult
    func takeSnapshot() throws -> SnapshotID {
        let request = snapshotRequest()
        guard case .snapshot = try perform(.snapshot(request)) else {
            throw Problem(.failed, "no snapshot")
        }
        return request.id
    }

    func revertRequest(to id: SnapshotID, takingSafety: Bool = true) -> RevertRequest {
        RevertRequest(
            id: revertID(), target: id, safety: takingSafety ? snapshotRequest(.safety) : nil)
    }

    func revertID() -> RevertID {
        defer { nextRevert += 1 }
        return RevertID(rawValue: nextRevert)
    }

    @discardableResult
    func revert(to id: SnapshotID, takingSafety: Bool = true) throws -> RevertOutcome {
        let request = revertRequest(to: id, takingSafety: takingSafety)
        guard case .reverted(let outcome) = try perform(.revert(request)) else {
            throw Problem(.failed, "no revert")
        }
        return outcome
    }

    func mergeProgress() throws -> MergeProgress? {
        guard case .merge(let progress) = try perform(.mergeStatus) else { return nil }
        return progress
    }

    /// Whether a merge rests. What the kernel does and what the store says must agree.
    func isPaused() throws -> Bool {
        guard let progress = try mergeProgress() else { return false }
        let isMarked = try FileFolder(path: storePath).exists(
            StoreLayout.pausedMark(progress.revertID))
        try expectEqual(progress.state == .paused, isMarked, "paused, the kernel and the store")
        return isMarked
    }

    func finishMerge() throws {
        try Self.throttle(percent: 100)
        if try isPaused() { _ = try perform(.resumeMerge) }
        _ = try perform(.waitForMerge)
    }

    func delete(_ ids: [SnapshotID]) throws {
        try withSession { session in
            _ = try session.perform(.delete(ids))
            _ = try session.perform(.collect)
        }
    }

    /// Reads a snapshot through a device of its own.
    func withView<Result>(
        _ id: SnapshotID, _ body: (DirectDevice) throws -> Result
    ) throws -> Result {
        let volume = try volume()
        let path = try volume.openView(id)
        let result = try body(try DirectDevice(path: path, isReadOnly: true))
        try volume.closeView(id)
        return result
    }

    /// Slows the kernel's merges down to a share of the time.
    static func throttle(percent: Int) throws {
        let file = try FileDevice(
            path: "/sys/module/dm_snapshot/parameters/snapshot_copy_throttle", access: .readWrite)
        let bytes = Array("\(percent)\n".utf8)
        try file.write(bytes.span.bytes, at: 0)
    }

    /// Removes the volume's devices, as a machine that goes down does.
    func takeDown() throws {
        try Self.throttle(percent: 100)
        // The views and the top first, then what they stand on, as it was made.
        // What merges goes before what it preserves into; a merge that rests stands on its snapshots.
        let order =
            try mapper.devices().contains { $0.name.volumePart?.part == .pausedOrigin }
            ? [
                "@", ":clone", ":below", "", ":snap", ":base", ":under", ":overlay", ":synth",
                ":real",
            ]
            : ["@", ":clone", ":below", "", ":overlay", ":snap", ":base", ":synth", ":real"]
        let devices = try mapper.devices()
        for device in devices where try mapper.info(device.name)?.isSuspended ?? false {
            try mapper.resume(device.name)
        }
        try HeldDevices.letGo()
        for kind in order {
            for device in devices
            where device.name.text.dropFirst("snapmgr-\(Self.name)".count).hasPrefix(kind)
                && (kind != "" || device.name.text == "snapmgr-\(Self.name)")
            {
                if kind == ":overlay" {
                    try? mapper.remove(DeviceName(volume: Self.name, .content))
                }
                // A merge's base has gone before its overlay.
                if try mapper.info(device.name) != nil { try mapper.remove(device.name) }
            }
        }
        for loop in try LoopDevice.all() where loop.backingPath.hasPrefix(storePath + "/") {
            try loop.detach()
        }
    }
}
