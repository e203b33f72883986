internal import System
internal import Catalog
internal import DeviceMapper
internal import Glibc
internal import SnapshotModel

/// Looks at a file or device that is to become an origin.
struct OriginProbe {
    let path: String
    let status: FileStatus
    let byteCount: Int

    /// The smallest origin, in bytes: one chunk of the smallest size.
    static let minimumBytes = Geometry.chunkBytesAllowed.lowerBound

    /// - Parameter isNew: whether it is to become an origin: what a guest has written since must not
    ///   be taken for another format.
    /// - Throws: `notFound` (of one that was there once, `missing`), `refused` or `failed`, naming what is wrong.
    init(path: String, isNew: Bool = false) throws {
        self.path = path
        status = try Self.status(path, isKnown: !isNew)
        guard status.kind == .file || status.kind == .blockDevice else {
            throw Problem(
                .failed, "the origin \(path) is neither a file nor a block device",
                hint: "name a raw disk image or a block device")
        }
        byteCount = try Self.writableByteCount(path)
        if isNew { try ImageFormat.requireRaw(path, byteCount: byteCount) }
        try Self.requireFit(byteCount, path)
    }

    private static func status(_ path: String, isKnown: Bool) throws -> FileStatus {
        do {
            return try FileStatus(path: path)
        } catch {
            guard error.isNotFound else { throw error }
            throw Problem(
                isKnown ? .missing : .notFound, "the origin \(path) does not exist",
                hint: isKnown
                    ? "mount or restore it; the snapshots in the store are untouched"
                    : "check the path, or make a new image with --create-size SIZE")
        }
    }

    private static func writableByteCount(_ path: String) throws -> Int {
        do {
            return try FileDevice(path: path, access: .readWrite).byteCount()
        } catch {
            guard error.isReadOnly else { throw error }
            throw Problem(
                .failed, "the origin \(path) is read-only: \(error)",
                hint: "make it writable for this user: `ls -l \(path)`")
        }
    }

    private static func requireFit(_ bytes: Int, _ path: String) throws {
        guard bytes >= minimumBytes else {
            throw Problem(
                .failed,
                "the origin \(path) is too small: \(bytes) bytes, at least \(minimumBytes) "
                    + "are needed", hint: "run `truncate -s SIZE \(path)`")
        }
        guard bytes % Geometry.sectorBytes == 0 else {
            throw Problem(
                .failed,
                "the origin \(path) has \(bytes) bytes, which is not a multiple of "
                    + "\(Geometry.sectorBytes)", hint: "run `truncate -s %512 \(path)`")
        }
        guard bytes <= Geometry.volumeBytesMaximum else {
            throw Problem(.failed, "the origin \(path) is too large: \(ByteCount(bytes))")
        }
    }

    /// - Throws: `exists` when another volume has the same origin, by whatever path.
    func requireUnmanaged(by volumes: [VolumeRow]) throws {
        try Self.requireUnmanaged(path, status, by: volumes)
    }

    static func requireUnmanaged(
        _ path: String, _ status: FileStatus, by volumes: [VolumeRow]
    ) throws {
        guard let volume = try volume(on: path, status, among: volumes) else { return }
        throw Problem(
            .exists, "the origin \(path) is volume \(volume.record.name)'s already",
            hint: "run \(.volumeShow(volume.record.name))")
    }

    /// The same of an origin that is no file.
    static func requireUnmanaged(named origin: String, by volumes: [VolumeRow]) throws {
        guard let volume = volumes.first(where: { $0.record.originPath == origin }) else { return }
        throw Problem(
            .exists, "the origin \(origin) is volume \(volume.record.name)'s already",
            hint: "run \(.volumeShow(volume.record.name))")
    }

    /// The volume that has an origin, by whatever path; nil when none has it.
    static func volume(
        on path: String, _ status: FileStatus, among volumes: [VolumeRow]
    ) throws -> VolumeRow? {
        try volumes.first { volume in
            let other = try? FileStatus(path: volume.record.originPath)
            let isSameFile = try other.map { try isSame(status, $0) } ?? false
            return isSameFile || volume.record.originPath == path
        }
    }

    /// The same file or device, or a loop device and the file behind it.
    private static func isSame(_ status: FileStatus, _ other: FileStatus) throws -> Bool {
        if status.isSame(as: other) { return true }
        guard let file = try backingFile(status) else { return false }
        return try file == backingFile(other)
    }

    /// The file behind a loop device, or the file itself; nil for other devices.
    private static func backingFile(_ status: FileStatus) throws -> LoopDevice.BackingFile? {
        guard status.kind == .blockDevice else {
            return LoopDevice.BackingFile(device: status.device, inode: status.inode)
        }
        return try LoopDevice.backing(of: DeviceNumber(encoded: status.blockDevice))?.file
    }

    /// - Throws: `refused` when the store lies on the origin, whatever is between them.
    func requireStoreElsewhere(_ store: String) throws {
        let lineage = try DeviceLineage(ofFilesystemAt: store)
        let isDevice = status.kind == .blockDevice
        let isBelow =
            try isDevice && lineage.devices.contains(DeviceNumber(encoded: status.blockDevice))
            || Self.backingFile(status).map { lineage.files.contains($0) } ?? false
        guard isBelow else { return }
        throw Problem(
            .refused, "the store \(store) lies on the origin \(path) itself",
            hint: "name a folder on another device with --store DIR")
    }
}
