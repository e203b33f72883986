import System
import Glibc

/// All that a folder holds, to be put back as it was. Files keep their inodes when they are there.
struct FolderImage {
    private struct File {
        var path: String
        var mode: mode_t
        var byteCount: Int
        var times: [timespec]
        /// The blocks that are not all zeroes.
        var blocks: [(offset: Int, bytes: [UInt8])]
    }

    private static let blockBytes = 4096
    private let root: String
    private var folders: [(path: String, mode: mode_t)] = []
    private var files: [File] = []
    private var names: Set<String> = []

    init(of root: String) throws {
        self.root = root
        try add("")
    }

    private mutating func add(_ folder: String) throws {
        for name in try FileFolder(path: root).list(folder).sorted() {
            let path = folder.isEmpty ? name : folder + "/" + name
            var status = stat()
            guard lstat(root + "/" + path, &status) == 0 else {
                throw IOFailure("examine", path: path, code: errno)
            }
            names.insert(path)
            switch status.st_mode & S_IFMT {
            case S_IFDIR:
                folders.append((path, status.st_mode & 0o7777))
                try add(path)
            case S_IFREG: files.append(try file(path, status))
            default: throw IOFailure("keep", path: path, code: EINVAL)
            }
        }
    }

    private func file(_ path: String, _ status: stat) throws -> File {
        var file = File(
            path: path, mode: status.st_mode & 0o7777, byteCount: Int(status.st_size),
            times: [status.st_atim, status.st_mtim], blocks: [])
        let descriptor = try OwnedDescriptor(path: root + "/" + path, flags: O_RDONLY)
        var block = [UInt8](repeating: 0, count: Self.blockBytes)
        for offset in stride(from: 0, to: file.byteCount, by: Self.blockBytes) {
            let count = pread(descriptor.number, &block, Self.blockBytes, off_t(offset))
            guard count > 0 else { throw IOFailure("read", path: path, code: errno) }
            if block[..<count].contains(where: { $0 != 0 }) {
                file.blocks.append((offset, Array(block[..<count])))
            }
        }
        return file
    }

    /// Makes the folder what it was.
    func restore() throws {
        try removeOthers("")
        for folder in folders { mkdir(root + "/" + folder.path, folder.mode) }
        for file in files { try restore(file) }
    }

    private func restore(_ file: File) throws {
        let path = root + "/" + file.path
        let descriptor = try OwnedDescriptor(
            path: path, flags: O_WRONLY | O_CREAT | O_TRUNC, mode: file.mode)
        var isWritten = ftruncate(descriptor.number, off_t(file.byteCount)) == 0
        for (offset, bytes) in file.blocks {
            isWritten =
                pwrite(descriptor.number, bytes, bytes.count, off_t(offset)) == bytes.count
                && isWritten
        }
        guard isWritten, futimens(descriptor.number, file.times) == 0 else {
            throw IOFailure("restore", path: path, code: errno)
        }
    }

    private func removeOthers(_ folder: String) throws {
        let root = FileFolder(path: root)
        for name in try root.list(folder) {
            let path = folder.isEmpty ? name : folder + "/" + name
            var status = stat()
            lstat(self.root + "/" + path, &status)
            let isFolder = status.st_mode & S_IFMT == S_IFDIR
            if isFolder { try removeOthers(path) }
            guard !names.contains(path) else { continue }
            if isFolder { try root.removeFolder(path) } else { try root.removeFile(path) }
        }
    }
}
