internal import BlockIO
internal import Catalog
internal import Glibc
internal import SnapshotModel

/// Looks at a file or device that is to become an origin.
struct OriginProbe {
    let path: String
    let status: FileStatus
    let byteCount: Int

    /// The smallest origin, in bytes: one chunk of the smallest size.
    static let minimumBytes = Geometry.chunkBytesAllowed.lowerBound

    /// - Parameter isKnown: whether it was there once, and may only not be mounted yet.
    /// - Throws: `notFound`, `missing`, `refused` or `failed`, naming what is wrong.
    init(path: String, isKnown: Bool = false) throws {
        self.path = path
        status = try Self.status(path, isKnown)
        guard status.kind == .file || status.kind == .blockDevice else {
            throw Problem(
                .failed, "the origin \(path) is neither a file nor a block device",
                hint: "name a raw disk image or a block device")
        }
        byteCount = try Self.writableByteCount(path)
        try Self.requireFit(byteCount, path)
    }

    private static func status(_ path: String, _ isKnown: Bool) throws -> FileStatus {
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
                "the origin \(path) has \(bytes) bytes, which is no multiple of "
                    + "\(Geometry.sectorBytes)", hint: "run `truncate -s %512 \(path)`")
        }
        guard bytes <= Geometry.volumeBytesMaximum else {
            throw Problem(.failed, "the origin \(path) is too large: \(ByteCount(bytes))")
        }
    }

    /// - Throws: `exists` when another volume has the same origin, by whatever path.
    func requireUnmanaged(by volumes: [VolumeRow]) throws {
        for volume in volumes {
            let other = try? FileStatus(path: volume.record.originPath)
            let isSameFile = other?.inode == status.inode && other?.device == status.device
            guard !isSameFile, volume.record.originPath != path else {
                throw Problem(
                    .exists, "the origin \(path) is volume \(volume.record.name)'s already",
                    hint: "run `snapmgr volume show \(volume.record.name)`")
            }
        }
    }

    /// Makes a new, sparse image.
    static func create(_ path: String, byteCount: Int) throws {
        guard byteCount >= minimumBytes, byteCount % Geometry.sectorBytes == 0,
            byteCount <= Geometry.volumeBytesMaximum
        else {
            throw Problem(
                .usage, "a volume cannot have \(byteCount) bytes",
                hint: "choose a multiple of \(Geometry.sectorBytes), at least \(minimumBytes)")
        }
        guard try !Paths.exists(path) else {
            throw Problem(
                .exists, "the origin \(path) exists already",
                hint: "leave out --create-size to manage it as it is")
        }
        let device = try FileDevice(path: path, access: .create)
        try device.resize(to: byteCount)
        try device.sync()
        try Paths.syncName(of: path)
    }
}
