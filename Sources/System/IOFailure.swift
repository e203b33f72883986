internal import Glibc

/// A failed operation on a file, folder or device: what was done to which path, and the reason.
package struct IOFailure: Error, Hashable, Sendable {
    /// What was being done, as a verb: `read`, `write`, `sync`.
    package var operation: String
    package var path: String
    /// The operating system's error number.
    package var code: Int32

    package init(_ operation: String, path: String, code: Int32) {
        self.operation = operation
        self.path = path
        self.code = code
    }

    /// No space is left, or a quota or file-size limit is reached.
    package var isNoSpace: Bool { [ENOSPC, EDQUOT, EFBIG].contains(code) }
    /// The limit on the size of a file is reached, which is not a full disk.
    package var isTooLarge: Bool { code == EFBIG }
    package var isNotFound: Bool { code == ENOENT }
    /// Whether the kernel says for certain that nothing has the name. Any other failed look-up
    /// tells nothing of what is there.
    package var isAbsence: Bool { code == ENOENT || code == ENOTDIR }
    package var isReadOnly: Bool { [EROFS, EACCES, EPERM].contains(code) }

    /// The failure of the system call that has just returned.
    static func last(_ operation: String, path: String) -> IOFailure {
        IOFailure(operation, path: path, code: errno)
    }

    /// An input/output error without a system call behind it.
    package static func inputOutput(_ operation: String, path: String) -> IOFailure {
        IOFailure(operation, path: path, code: EIO)
    }
}

extension IOFailure: CustomStringConvertible {
    package var description: String {
        "cannot \(operation) \(path): \(String(cString: strerror(code)))"
    }
}
