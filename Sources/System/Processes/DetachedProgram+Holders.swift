internal import Glibc

extension DetachedProgram {
    /// The processes that have a program's file of what it says open for writing: the program itself, and what it has
    /// started. Of another user's processes nothing can be seen.
    package static func writers(logPath: String) -> [ProcessIdentity] {
        guard let log = try? FileStatus.ofName(logPath), log.kind == .file else { return [] }
        let names = (try? FileFolder(path: "/proc").list("")) ?? []
        return names.compactMap { Int32($0) }.filter { $0 != getpid() && writes($0, to: logPath) }
            .compactMap { ProcessIdentity(id: $0) }
    }

    private static func writes(_ process: Int32, to path: String) -> Bool {
        let folder = FileFolder(path: "/proc/\(process)")
        for name in (try? folder.list("fd")) ?? [] where link("\(folder.path)/fd/\(name)") == path {
            if flags(ofDescriptor: name, in: folder) & O_ACCMODE != O_RDONLY { return true }
        }
        return false
    }

    private static func link(_ path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(path, &buffer, buffer.count)
        guard count > 0 else { return nil }
        return String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static let informationBytesMaximum = 4096

    /// As proc(5) has them, in octal. Who only reads what a program says is none of its processes.
    private static func flags(ofDescriptor name: String, in folder: FileFolder) -> Int32 {
        guard
            let file = try? OwnedDescriptor(
                path: "\(folder.path)/fdinfo/\(name)", flags: O_RDONLY)
        else { return O_RDONLY }
        var bytes = [UInt8](repeating: 0, count: informationBytesMaximum)
        let number = file.number
        let count = retryingInterrupts { read(number, &bytes, bytes.count) }
        guard count > 0 else { return O_RDONLY }
        let line = String(decoding: bytes.prefix(count), as: UTF8.self).split(separator: "\n")
            .first { $0.hasPrefix("flags:") }
        let digits = line?.dropFirst("flags:".count).drop { $0.isWhitespace } ?? ""
        return Int32(digits, radix: 8) ?? O_RDONLY
    }
}
