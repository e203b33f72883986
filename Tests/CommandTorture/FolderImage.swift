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

    private struct Folder: Hashable {
        var path: String
        var mode: mode_t
    }

    private static let blockBytes = 4096
    /// SEEK_DATA, which the Glibc module leaves out.
    private static let toData: Int32 = 3
    private let root: String
    private var folders: [Folder] = []
    private var files: [File] = []
    private var names: Set<String> = []

    /// - Throws: `EINVAL` for what cannot be put back: sockets and the like.
    init(of root: String) throws {
        self.root = root
        try add("", onlyLooks: false)
    }

    private init(found root: String) throws {
        self.root = root
        try add("", onlyLooks: true)
    }

    private mutating func add(_ folder: String, onlyLooks: Bool) throws {
        for name in try FileFolder(path: root).list(folder).sorted() {
            let path = folder.isEmpty ? name : folder + "/" + name
            var status = stat()
            guard lstat(root + "/" + path, &status) == 0 else {
                throw IOFailure("examine", path: path, code: errno)
            }
            names.insert(path)
            switch status.st_mode & S_IFMT {
            case S_IFDIR:
                folders.append(Folder(path: path, mode: status.st_mode & 0o7777))
                try add(path, onlyLooks: onlyLooks)
            case S_IFREG: files.append(try file(path, status))
            case _ where onlyLooks: continue
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
        var offset = 0
        while true {
            // Areas are holes for the most part.
            let data = lseek(descriptor.number, off_t(offset), Self.toData)
            if data < 0, errno == ENXIO { return file }
            guard data >= 0 else { throw IOFailure("read", path: path, code: errno) }
            offset = Int(data) / Self.blockBytes * Self.blockBytes
            let count = pread(descriptor.number, &block, Self.blockBytes, off_t(offset))
            guard count >= 0 else { throw IOFailure("read", path: path, code: errno) }
            guard count > 0 else { return file }
            if block[..<count].contains(where: { $0 != 0 }) {
                file.blocks.append((offset, Array(block[..<count])))
            }
            offset += count
        }
    }

    /// What has become of the folder.
    struct Change {
        /// Names that were not there.
        var made: [String]
        /// Whether there is no change: all names, modes and bytes are the same. Times are not looked at.
        var isNone: Bool
    }

    func change() throws -> Change {
        let now = try FolderImage(found: root)
        let isSame =
            now.names == names && now.folders == folders
            && now.files.elementsEqual(files) { new, old in
                new.path == old.path && new.mode == old.mode && new.byteCount == old.byteCount
                    && new.blocks.elementsEqual(old.blocks) { $0 == $1 }
            }
        return Change(made: now.names.subtracting(names).sorted(), isNone: isSame)
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
