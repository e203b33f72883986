internal import System
internal import Glibc

/// The small files and links in which the kernel tells of itself.
enum SystemFile {
    /// A whole file, which may have no size; nil if it cannot be read, such as the files of a
    /// process that has ended.
    static func text(_ path: String) -> String? {
        guard let descriptor = try? OwnedDescriptor(path: path, flags: O_RDONLY) else { return nil }
        var bytes: [UInt8] = []
        let number = descriptor.number
        return withUnsafeTemporaryAllocation(byteCount: 65_536, alignment: 1) { buffer in
            while true {
                let count = read(number, buffer.baseAddress, buffer.count)
                if count == 0 { return String(decoding: bytes, as: UTF8.self) }
                if count > 0 {
                    bytes.append(contentsOf: buffer.prefix(count))
                } else if errno != EINTR {
                    return nil
                }
            }
        }
    }

    /// The first line of a file.
    static func line(_ path: String) -> String? {
        text(path).map { String($0.prefix { $0 != "\n" }) }
    }

    /// Where a symbolic link leads.
    static func link(_ path: String) -> String? {
        withUnsafeTemporaryAllocation(byteCount: Int(PATH_MAX), alignment: 1) { buffer in
            guard let base = buffer.baseAddress else { return nil }
            let count = readlink(path, base.assumingMemoryBound(to: CChar.self), buffer.count)
            return count > 0 ? String(decoding: buffer.prefix(count), as: UTF8.self) : nil
        }
    }

    /// The entries of a folder; none if it cannot be read.
    static func names(_ path: String) -> [String] {
        (try? FileFolder(path: path).list("")) ?? []
    }
}
