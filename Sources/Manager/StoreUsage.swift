internal import BlockIO
internal import Glibc
internal import SnapshotModel

/// What a store occupies, counted without opening the volume.
enum StoreUsage {
    /// The bytes that all files below a folder occupy.
    static func bytes(_ path: String) throws -> Int {
        let folder = FileFolder(path: path)
        return try folder.list("").reduce(0) { total, name in
            let child = path + "/" + name
            let status: FileStatus
            do throws(IOFailure) {
                status = try FileStatus(path: child)
            } catch  where error.isNotFound {
                // Swept or replaced by whoever serves the volume, between the two calls.
                return total
            }
            guard status.kind == .folder else { return total.addingClamped(status.allocatedBytes) }
            return total.addingClamped(try bytes(child))
        }
    }

    static func freeBytes(_ path: String) throws -> Int { try FileFolder(path: path).freeBytes() }

    /// The size of the filesystem that a folder is on, in bytes.
    static func filesystemBytes(_ path: String) throws -> Int {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else {
            throw IOFailure("examine", path: path, code: errno)
        }
        return Int(clamping: UInt64(status.f_blocks) * UInt64(status.f_frsize))
    }
}
