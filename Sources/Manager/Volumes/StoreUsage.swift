internal import System
internal import Glibc
internal import SnapshotModel

/// What a store occupies, counted without opening the volume.
enum StoreUsage {
    /// The bytes that all files below a folder occupy; symbolic links lead nowhere.
    static func bytes(_ path: String) throws -> Int { try bytes(FileFolder(path: path), "") }

    private static func bytes(_ folder: FileFolder, _ name: String) throws -> Int {
        try folder.list(name).reduce(0) { total, entry in
            let child = name.isEmpty ? entry : name + "/" + entry
            // Swept or replaced by whoever serves the volume, between the two calls.
            guard let status = try folder.status(child) else { return total }
            guard status.kind == .folder else { return total.addingClamped(status.allocatedBytes) }
            do {
                return total.addingClamped(try bytes(folder, child))
            } catch let failure as IOFailure where failure.isAbsence {
                return total
            }
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
