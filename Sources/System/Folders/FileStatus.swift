internal import Glibc
internal import SnapshotModel

/// What the filesystem says of a file.
package struct FileStatus: Hashable, Sendable {
    package enum Kind: Sendable {
        case file
        case folder
        case blockDevice
        case link
        case socket
        case other
    }

    package let kind: Kind
    package let byteCount: Int
    package let allocatedBytes: Int
    /// The time of the last change of content, in nanoseconds since 1970; modulo 2^64, for files may
    /// be of any year.
    package let modifiedNanoseconds: Int64
    /// The time of the last change of anything, which nobody can set; as the other one.
    package let changedNanoseconds: Int64
    /// The inode and its device: what tells a file from its copy.
    package let inode: UInt64
    package let device: UInt64
    /// Whether everybody may read it who reaches its folder.
    package let isReadableByAll: Bool
    /// How many names the file has.
    package let linkCount: Int
    /// The number of a block device, as `st_rdev` encodes it; 0 for a file.
    package let blockDevice: UInt64

    package init(descriptor: Int32, path: String) throws(IOFailure) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .last("examine", path: path) }
        self.init(status)
    }

    package init(path: String) throws(IOFailure) {
        var status = stat()
        guard stat(path, &status) == 0 else { throw .last("examine", path: path) }
        self.init(status)
    }

    /// The status of a name in an open folder, of a symbolic link itself.
    init(_ name: String, in folder: Int32, path: String) throws(IOFailure) {
        var status = stat()
        guard fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
            throw .last("examine", path: path)
        }
        self.init(status)
    }

    /// Whether both are the same file or the same block device, by whatever name.
    package func isSame(as other: FileStatus) -> Bool {
        if kind == .blockDevice, other.kind == .blockDevice {
            return blockDevice == other.blockDevice
        }
        return inode == other.inode && device == other.device
    }

    /// Of a name itself, and not of what it may point to; nil when there is none.
    package static func ofName(_ path: String) throws(IOFailure) -> FileStatus? {
        var status = stat()
        guard lstat(path, &status) != 0 else { return FileStatus(status) }
        guard errno == ENOENT || errno == ENOTDIR else { throw .last("examine", path: path) }
        return nil
    }

    init(_ status: stat) {
        kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .file
            case S_IFDIR: .folder
            case S_IFBLK: .blockDevice
            case S_IFLNK: .link
            case S_IFSOCK: .socket
            default: .other
            }
        isReadableByAll = status.st_mode & S_IROTH != 0
        byteCount = Int(status.st_size)
        allocatedBytes = Int(status.st_blocks).multipliedClamped(by: 512)
        modifiedNanoseconds = Self.nanoseconds(status.st_mtim)
        changedNanoseconds = Self.nanoseconds(status.st_ctim)
        inode = UInt64(status.st_ino)
        device = UInt64(status.st_dev)
        linkCount = Int(status.st_nlink)
        blockDevice = kind == .blockDevice ? UInt64(status.st_rdev) : 0
    }

    /// Only compared: what is beyond the type still differs from others.
    private static func nanoseconds(_ time: timespec) -> Int64 {
        Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
    }
}
