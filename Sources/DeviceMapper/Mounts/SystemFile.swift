internal import System
internal import Glibc

/// The small files and links in which the kernel tells of itself. What is not there is nil; what cannot be looked at
/// is an error, and never taken for what is not there.
enum SystemFile {
    /// A whole file, which may have no size; nil when there is none.
    static func text(_ path: String) throws(IOFailure) -> String? {
        do throws(IOFailure) {
            return try read(OwnedDescriptor(path: path, flags: O_RDONLY), path)
        } catch {
            guard isGone(error) else { throw error }
            return nil
        }
    }

    private static func read(
        _ descriptor: borrowing OwnedDescriptor, _ path: String
    ) throws(IOFailure) -> String {
        var bytes: [UInt8] = []
        let number = descriptor.number
        let code = withUnsafeTemporaryAllocation(byteCount: 65_536, alignment: 1) { buffer in
            while true {
                let count = Glibc.read(number, buffer.baseAddress, buffer.count)
                if count == 0 { return Int32(0) }
                if count > 0 {
                    bytes.append(contentsOf: buffer.prefix(count))
                } else if errno != EINTR {
                    return errno
                }
            }
        }
        guard code == 0 else { throw IOFailure("read", path: path, code: code) }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// A device or a process may go while its files are read, and some have files for what they do not know.
    private static func isGone(_ failure: IOFailure) -> Bool {
        failure.isAbsence || [ENODEV, ENXIO, ESRCH, EINVAL, EOPNOTSUPP].contains(failure.code)
    }

    /// The first line of a file; nil when there is none.
    static func line(_ path: String) throws(IOFailure) -> String? {
        try text(path).map { String($0.prefix { $0 != "\n" }) }
    }

    /// The entries of a folder; none when there is no folder.
    static func names(_ path: String) throws(IOFailure) -> [String] {
        do throws(IOFailure) { return try FileFolder(path: path).list("") } catch {
            guard isGone(error) else { throw error }
            return []
        }
    }
}

/// The same for words alone, and for what other users' processes may not show: what cannot be looked at counts as
/// not there, and nothing may be decided by it.
enum SystemHint {
    /// A whole file.
    static func text(_ path: String) -> String? { (try? SystemFile.text(path)) ?? nil }

    /// The first line of a file.
    static func line(_ path: String) -> String? { (try? SystemFile.line(path)) ?? nil }

    /// The entries of a folder.
    static func names(_ path: String) -> [String] { (try? SystemFile.names(path)) ?? [] }

    /// Where a symbolic link leads.
    static func link(_ path: String) -> String? {
        withUnsafeTemporaryAllocation(byteCount: Int(PATH_MAX), alignment: 1) { buffer in
            guard let base = buffer.baseAddress else { return nil }
            let count = readlink(path, base.assumingMemoryBound(to: CChar.self), buffer.count)
            return count > 0 ? String(decoding: buffer.prefix(count), as: UTF8.self) : nil
        }
    }
}
