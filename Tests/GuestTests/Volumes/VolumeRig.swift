import System
import DeviceDriver
import DeviceMapper
import Glibc
import StoreFormat
import SnapshotModel
import VolumeAccess

/// A volume under device-mapper, on any origin, with its store in any folder. It is left inactive at
/// first, and taken away when the case ends.
final class VolumeRig {
    let name: String
    let originPath: String
    let storePath: String
    let mapper: any DeviceMapping
    private var nextSnapshot: Int64 = 1
    private var nextRevert: Int64 = 1
    /// What sessions have said.
    private(set) var warnings: [String] = []

    /// Makes the store.
    init(
        _ context: GuestContext, name: String = "vol", originPath: String, storeFolder: String,
        volumeBytes: Int, chunkBytes: Int, mapper: any DeviceMapping = KernelDeviceMapper()
    ) throws {
        self.mapper = mapper
        self.name = name
        self.originPath = originPath
        storePath = storeFolder + "/" + name
        context.cleanUp { [self] in try takeDown() }
        _ = mkdir(storePath, 0o700)
        let record = VolumeRecord(
            name: name, uuid: Self.uuid(name), driver: "dm", originPath: originPath,
            geometry: Geometry(volumeBytes: volumeBytes, chunkBytes: chunkBytes),
            storeFullPolicy: .breakWrites, createdAt: SystemClock().now())
        try Store(folder: FileFolder(path: storePath)).create(record)
    }

    /// Takes over the store that an earlier rig has left.
    init(
        _ context: GuestContext, name: String = "vol", reopening storeFolder: String,
        originPath: String
    ) throws {
        mapper = KernelDeviceMapper()
        self.name = name
        self.originPath = originPath
        storePath = storeFolder + "/" + name
        context.cleanUp { [self] in try takeDown() }
        var record = try store.volume()
        record.originPath = originPath
        // A copy of the origin, on another device.
        record.deviceIdentity = nil
        try store.writeVolume(record)
    }

    /// One for each name, told apart by its last digits.
    private static func uuid(_ name: String) -> String {
        let digits = String(name.utf8.reduce(0) { ($0 &* 31 &+ UInt64($1)) % 0xffff }, radix: 16)
        let padded = String(repeating: "0", count: 12 - digits.count) + digits
        return "6f1b0f8e-5b0f-4c55-9a4f-\(padded)"
    }

    // MARK: The volume

    var devicePath: String { DeviceName(volume: name, .mounted).path }

    var store: Store { Store(folder: FileFolder(path: storePath)) }

    func volume() throws -> DeviceVolume {
        try require(
            try DeviceVolume.openUnlessHeld(
                storePath: storePath, purpose: "test", mapper: mapper, clock: SystemClock()),
            "volume that nobody has open")
    }

    @discardableResult
    func activate() throws -> [String] {
        let volume = try volume()
        try volume.activate()
        warnings += volume.warnings.map(\.description)
        return volume.warnings.map(\.description)
    }

    func deactivate() throws { try volume().deactivate() }

    /// A session that stays open.
    func session() throws -> DeviceSession {
        let session = try require(
            try DeviceSession.openUnlessHeld(
                storePath: storePath, purpose: "test", mapper: mapper, clock: SystemClock()),
            "session with a volume that nobody has open")
        warnings += session.warnings.map(\.description)
        return session
    }

    @discardableResult
    func perform(_ request: VolumeRequest) throws -> VolumeReply {
        let session = try session()
        defer { session.close() }
        return try session.perform(request) { _ in }
    }

    /// The problem of a request that must fail.
    func problem(
        of request: VolumeRequest, fileID: StaticString = #fileID, line: Int = #line
    ) throws -> Problem {
        let error = try expectFailure("\(request)", fileID: fileID, line: line) {
            try perform(request)
        }
        return try require(error as? Problem, "problem in \(error)", fileID: fileID, line: line)
    }

    func takeWarnings() -> [String] {
        defer { warnings = [] }
        return warnings
    }

    func status() throws -> VolumeStatus {
        guard case .status(let status) = try perform(.status) else {
            throw Problem(.failed, "no status")
        }
        return status
    }

    /// The state of each snapshot that there is.
    func states() throws -> [SnapshotID: SnapshotState] {
        try status().snapshots.reduce(into: [:]) { $0[$1.manifest.id] = $1.state }
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
        try perform(.snapshot(request))
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
        let reply = try perform(.revert(revertRequest(to: id, takingSafety: takingSafety)))
        guard case .reverted(let outcome) = reply else { throw Problem(.failed, "no revert") }
        return outcome
    }

    func mergeProgress() throws -> MergeProgress? {
        guard case .merge(let progress) = try perform(.mergeStatus) else { return nil }
        return progress
    }

    func finishMerge() throws {
        try DriverRig.throttle(percent: 100)
        if try mergeProgress()?.state == .paused { try perform(.resumeMerge) }
        try perform(.waitForMerge)
    }

    /// Opens a snapshot as a device for as long as `body` runs.
    func withView<Result>(
        _ id: SnapshotID, _ body: (_ path: String) throws -> Result
    ) throws -> Result {
        let result = try body(try volume().openView(id))
        try volume().closeView(id)
        return result
    }

    /// Notes what a command notes that suspends devices.
    func noteSuspension(_ devices: [DeviceName]) throws {
        let note = try require(store.suspensionNote(), "note of what is suspended")
        try store.writeSuspensionNote(note.next(Set(devices.map(\.text))))
    }

    // MARK: The end

    /// Removes all devices of the volume, whatever state they are in.
    func takeDown() throws {
        try? DriverRig.throttle(percent: 100)
        let mapper = KernelDeviceMapper(busyMilliseconds: 0)
        func devices() throws -> [DeviceName] {
            try mapper.devices().map(\.name).filter { $0.volumePart?.volume == name }
        }
        for device in try devices() {
            guard let info = try mapper.info(device), info.isSuspended else { continue }
            if info.hasLiveTable { try? mapper.clear(device) }
            try? mapper.resume(device)
        }
        try HeldDevices.letGo()
        // What another stands on goes in a later round.
        for _ in 0..<20 where try !devices().isEmpty {
            for device in try devices() { try? mapper.remove(device) }
            usleep(5000)
        }
        try expectEqual(try devices(), [], "devices left")
        for loop in try LoopDevice.all() where loop.backingPath.hasPrefix(storePath + "/") {
            try loop.detach()
        }
    }
}
