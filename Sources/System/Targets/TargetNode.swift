internal import CSystem
internal import Glibc

/// What has just been made in a ``TargetFolder`` and has no content to be opened for: a symbolic link, a FIFO,
/// a socket's name, a device's node. It is held itself, and not by its name: who may change the folder can
/// put something else in its place at any time, which must not get what is meant for this.
package final class TargetNode {
    /// What was asked for, as `stat` tells it.
    struct Asked {
        /// The kind's bits of the mode.
        var kind: UInt32
        /// Of a device; 0 of anything else.
        var device: UInt64 = 0
        /// Who owns it; nil where nobody else could have taken its place, and a filesystem may have owners of
        /// its own.
        var owner: UInt32?

        func isMet(by status: stat) -> Bool {
            let kind = status.st_mode & S_IFMT
            let isDevice = kind == S_IFCHR || kind == S_IFBLK
            return kind == self.kind && (!isDevice || UInt64(status.st_rdev) == device)
                && (owner == nil || status.st_uid == owner && status.st_nlink == 1)
        }
    }

    private let descriptor: OwnedDescriptor
    private let path: String
    private let isLink: Bool

    /// O_PATH, which the Glibc module leaves out: a device is not opened, nor a FIFO waited for.
    private static let itself = 0o10000000 | O_NOFOLLOW | O_CLOEXEC

    /// - Throws: EPERM when it is not what was asked for.
    init(
        _ name: [CChar], in folder: Int32, path: String, asked: Asked
    ) throws(IOFailure) {
        let opened = retryingInterrupts { openat(folder, name, Self.itself) }
        guard opened >= 0 else { throw .last("open", path: path) }
        descriptor = OwnedDescriptor(owning: opened)
        self.path = path
        isLink = asked.kind == S_IFLNK
        var status = stat()
        guard fstat(opened, &status) == 0 else { throw .last("examine", path: path) }
        guard asked.isMet(by: status) else { throw .replaced(path) }
    }

    /// Gives it its owner, its permissions, unless it is a link, its attributes and its times.
    ///
    /// - Returns: the attributes that it could not be given, with the errors.
    @discardableResult
    package func apply(_ metadata: NodeMetadata) throws(IOFailure) -> [String: Int32] {
        // What a descriptor of this kind is for goes by this name alone, which leads to nothing else.
        let name = "/proc/self/fd/\(descriptor.number)"
        if let owner = metadata.owner {
            guard chown(name, owner.user, owner.group) == 0 else {
                throw .last("set the owner of", path: path)
            }
        }
        guard isLink || chmod(name, metadata.permissions) == 0 else {
            throw .last("set the permissions of", path: path)
        }
        var refused: [String: Int32] = [:]
        for attribute in metadata.attributes {
            let result = attribute.value.withUnsafeBytes {
                snapmgr_set_path_attribute(name, attribute.name, $0.baseAddress, $0.count)
            }
            if result != 0 { refused[attribute.name] = errno }
        }
        var times = metadata.times
        guard utimensat(AT_FDCWD, name, &times, 0) == 0 else {
            throw .last("set the times of", path: path)
        }
        return refused
    }
}

extension IOFailure {
    /// Another file has come in the place of one that was just made.
    static func replaced(_ path: String) -> IOFailure {
        IOFailure("use what somebody else has put in the place of", path: path, code: EPERM)
    }
}
