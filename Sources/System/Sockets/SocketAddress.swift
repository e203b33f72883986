internal import Glibc

/// Where a Unix socket lies: a name in an open folder. Reached through the folder's descriptor, so
/// that the path fits into the 108 bytes of an address however long the folder's own path is.
struct SocketAddress: ~Copyable {
    private let folder: OwnedDescriptor
    private let name: String
    /// The socket's real path, for messages.
    let path: String

    init(folder: String, name: String) throws(IOFailure) {
        self.folder = try OwnedDescriptor(path: folder, flags: O_RDONLY | O_DIRECTORY)
        self.name = name
        path = folder + "/" + name
    }

    /// Calls with the address in the form that `bind` and `connect` take.
    func withSystemAddress(
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) throws(IOFailure) -> Int32 {
        let short = "/proc/self/fd/\(folder.number)/\(name)"
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let fits = withUnsafeMutableBytes(of: &address.sun_path) { space in
            guard short.utf8.count < space.count else { return false }
            space.copyBytes(from: short.utf8)
            return true
        }
        guard fits else { throw IOFailure("name", path: path, code: ENAMETOOLONG) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    /// Which file has the name now; nil when it cannot be told, or there is none.
    var file: (device: UInt, number: UInt)? {
        var status = stat()
        guard fstatat(folder.number, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return nil }
        return (UInt(status.st_dev), UInt(status.st_ino))
    }

    /// Frees the name; it is not an error when it is free. What is not a socket stays: EEXIST.
    func removeName() throws(IOFailure) {
        var status = stat()
        guard fstatat(folder.number, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
            if errno == ENOENT { return }
            throw .last("examine", path: path)
        }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw IOFailure("replace", path: path, code: EEXIST)
        }
        guard unlinkat(folder.number, name, 0) == 0 || errno == ENOENT else {
            throw .last("remove", path: path)
        }
    }
}
