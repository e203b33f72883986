internal import System
internal import Glibc
internal import SnapshotModel

/// What a store occupies, counted without opening the volume.
enum StoreUsage {
    /// The bytes that all files below a folder occupy; symbolic links lead nowhere.
    static func bytes(_ path: String) throws -> Int {
        let folder = FileFolder(path: path)
        return try folder.list("").reduce(0) { $0.addingClamped(try bytes(of: $1, in: folder)) }
    }

    /// The same of a file or a folder in this one; 0 when it is not there: whoever serves the volume may
    /// have swept or replaced it just now.
    static func bytes(of name: String, in folder: FileFolder) throws -> Int {
        guard let status = try folder.status(name) else { return 0 }
        guard status.kind == .folder else { return status.allocatedBytes }
        do {
            return try folder.list(name).reduce(0) {
                $0.addingClamped(try bytes(of: name + "/" + $1, in: folder))
            }
        } catch let failure as IOFailure where failure.isAbsence {
            return 0
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
