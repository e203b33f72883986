package import System
internal import Glibc

/// What is read of the filesystem: settings and time zones. Tests bring files of their own.
package protocol SettingsFiles: Sendable {
    /// The whole content of a regular file; EFBIG when it is longer than the limit.
    func read(_ path: String, limitBytes: Int) throws(IOFailure) -> [UInt8]
    /// The names in a folder, in no order.
    func list(_ path: String) throws(IOFailure) -> [String]
    /// What a symbolic link says; nil when it is none.
    func linkTarget(_ path: String) -> String?
}

/// The machine's own files.
package struct SystemFiles: SettingsFiles {
    package init() {}

    package func read(_ path: String, limitBytes: Int) throws(IOFailure) -> [UInt8] {
        switch try FileStatus(path: path).kind {
        case .file: break
        case .folder: throw IOFailure("read", path: path, code: EISDIR)
        default: throw IOFailure("read", path: path, code: EOPNOTSUPP)
        }
        return try FileFolder.readFile(path: path, limitBytes: limitBytes)
    }

    package func list(_ path: String) throws(IOFailure) -> [String] {
        try FileFolder(path: path).list("")
    }

    package func linkTarget(_ path: String) -> String? {
        let length = Int(PATH_MAX)
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: length) { buffer in
            let count = buffer.withMemoryRebound(to: CChar.self) { buffer in
                buffer.baseAddress.map { readlink(path, $0, length) } ?? -1
            }
            guard count >= 0 else { return nil }
            return String(decoding: buffer.prefix(count), as: UTF8.self)
        }
    }
}

extension IOFailure {
    /// The file is longer than the limit.
    var isTooLong: Bool { code == EFBIG }
}
