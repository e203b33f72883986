internal import CSystem
internal import Glibc

/// A folder of the real filesystem. Everything in it is done below its open descriptor, and no
/// symbolic link in it is followed.
package struct FileFolder: Folder {
    private let root: FolderDescriptor

    package var path: String { root.path }

    /// Names an existing folder; it is opened when it is first used.
    package init(path: String) { root = FolderDescriptor(path: path) }

    private init(root: FolderDescriptor) { self.root = root }

    package func forOneLook() -> any Folder {
        FileFolder(root: FolderDescriptor(lookingInto: root))
    }

    /// A folder's path without symbolic links, as the kernel tells it.
    package static func realPath(_ path: String) throws(IOFailure) -> String {
        guard let pointer = Glibc.realpath(path, nil) else { throw .last("open", path: path) }
        defer { free(pointer) }
        return String(cString: pointer)
    }

    private func full(_ name: String) -> String { name.isEmpty ? path : path + "/" + name }

    package func createFile(
        _ name: String, byteCount: Int
    ) throws(IOFailure) -> any BlockDevice {
        let device = try open(name, .create)
        try device.resize(to: byteCount)
        return device
    }

    package func openFile(_ name: String, writable: Bool) throws(IOFailure) -> any BlockDevice {
        try open(name, writable ? .readWrite : .readOnly)
    }

    private func open(_ name: String, _ access: FileDevice.Access) throws(IOFailure) -> FileDevice {
        LockOrder.requireNoValue()
        return try root.withParent(of: name) { (folder, leaf) throws(IOFailure) in
            try FileDevice(leaf, in: folder, path: full(name), access: access)
        }
    }

    package func readFile(_ name: String, limitBytes: Int) throws(IOFailure) -> [UInt8] {
        try open(name, .readOnly).content(limitBytes: limitBytes)
    }

    package func writeFile(_ name: String, _ bytes: [UInt8]) throws(IOFailure) {
        let device = try openForRewriting(name)
        try device.resize(to: 0)
        try device.write(bytes.span.bytes, at: 0)
        try device.sync()
    }

    /// A left-over of the name is used again, so that the name stays; what has other names, too,
    /// may be somebody's data.
    private func openForRewriting(_ name: String) throws(IOFailure) -> FileDevice {
        LockOrder.requireNoValue()
        guard let status = try status(name) else { return try open(name, .create) }
        if status.kind == .file, status.linkCount == 1 { return try open(name, .readWrite) }
        try removeFile(name)
        return try open(name, .create)
    }

    package func rename(_ name: String, to newName: String) throws(IOFailure) {
        LockOrder.requireNoValue()
        try root.withParent(of: name) { (folder, leaf) throws(IOFailure) in
            try root.withParent(of: newName) { (newFolder, newLeaf) throws(IOFailure) in
                guard renameat(folder, leaf, newFolder, newLeaf) == 0 else {
                    throw .last("rename", path: full(name))
                }
            }
        }
    }

    /// Gives a file a second name; EEXIST when that is taken.
    func link(_ name: String, to newName: String) throws(IOFailure) {
        try root.withParent(of: name) { (folder, leaf) throws(IOFailure) in
            try root.withParent(of: newName) { (newFolder, newLeaf) throws(IOFailure) in
                guard linkat(folder, leaf, newFolder, newLeaf, 0) == 0 else {
                    throw .last("make", path: full(newName))
                }
            }
        }
    }

    package func removeFile(_ name: String) throws(IOFailure) {
        try remove(name, flags: 0, "remove")
    }

    package func removeFolder(_ name: String) throws(IOFailure) {
        try remove(name, flags: AT_REMOVEDIR, "remove folder")
    }

    private func remove(_ name: String, flags: Int32, _ operation: String) throws(IOFailure) {
        LockOrder.requireNoValue()
        try root.withParent(of: name) { (folder, leaf) throws(IOFailure) in
            guard unlinkat(folder, leaf, flags) == 0 else {
                throw .last(operation, path: full(name))
            }
        }
    }

    package func makeFolder(_ name: String) throws(IOFailure) {
        LockOrder.requireNoValue()
        try root.withParent(of: name) { (folder, leaf) throws(IOFailure) in
            guard mkdirat(folder, leaf, 0o700) == 0 else {
                throw .last("make folder", path: full(name))
            }
        }
    }

    package func list(_ name: String) throws(IOFailure) -> [String] {
        LockOrder.requireNoValue()
        let number = try root.open(folder: name).release()
        guard let stream = fdopendir(number) else {
            let failure = IOFailure.last("list", path: full(name))
            close(number)
            throw failure
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let text = try next(of: stream, name) {
            if text != "." && text != ".." { names.append(text) }
        }
        return names
    }

    /// The next name; nil at the end, which only a call that leaves errno alone has reached.
    private func next(of stream: OpaquePointer, _ name: String) throws(IOFailure) -> String? {
        errno = 0
        guard let entry = readdir(stream) else {
            guard errno == 0 else { throw .last("list", path: full(name)) }
            return nil
        }
        return withUnsafePointer(to: &entry.pointee.d_name) { pointer in
            pointer.withMemoryRebound(
                to: CChar.self, capacity: MemoryLayout.size(ofValue: pointer.pointee)
            ) { String(cString: $0) }
        }
    }

    package func exists(_ name: String) throws(IOFailure) -> Bool {
        LockOrder.requireNoValue()
        return try Self.absent(as: false) { () throws(IOFailure) in
            try root.withParent(of: name) { (folder, leaf) throws(IOFailure) in
                _ = try FileStatus(leaf, in: folder, path: full(name))
                return true
            }
        }
    }

    package func isFolder(_ name: String) throws(IOFailure) -> Bool {
        try status(name)?.kind == .folder
    }

    /// The status of what has a name, of a symbolic link itself; nil when nothing has it.
    package func status(_ name: String) throws(IOFailure) -> FileStatus? {
        LockOrder.requireNoValue()
        return try Self.absent(as: nil) { () throws(IOFailure) in
            try root.withParent(of: name) { (folder, leaf) throws(IOFailure) in
                try FileStatus(leaf, in: folder, path: full(name))
            }
        }
    }

    /// The one place that says what absence is: only the kernel's words for it count.
    private static func absent<Result>(
        as nothing: Result, _ look: () throws(IOFailure) -> Result
    ) throws(IOFailure) -> Result {
        do throws(IOFailure) { return try look() } catch {
            guard error.isAbsence else { throw error }
            return nothing
        }
    }

    package func syncFolder(_ name: String) throws(IOFailure) {
        LockOrder.requireNoValue()
        let descriptor = try root.open(folder: name)
        let number = descriptor.number
        guard retryingInterrupts({ fsync(number) }) == 0 else {
            throw .last("sync", path: full(name))
        }
    }

    package func freeBytes() throws(IOFailure) -> Int {
        let descriptor = try root.open(folder: "")
        var status = statvfs()
        guard fstatvfs(descriptor.number, &status) == 0 else { throw .last("examine", path: path) }
        let (bytes, isTooMuch) = UInt64(status.f_bavail).multipliedReportingOverflow(
            by: UInt64(status.f_frsize))
        return isTooMuch ? Int.max : Int(clamping: bytes)
    }

    /// What tells a folder from its copies, and from another one that has come in its place: its inode,
    /// and when it was made. Nil where the filesystem does not keep that: in a filesystem that was made
    /// anew, the same inode is soon given to the same folder again.
    package func folderIdentity(_ name: String) throws(IOFailure) -> String? {
        let descriptor = try root.open(folder: name)
        let status = try FileStatus(descriptor: descriptor.number, path: full(name))
        var born: Int64 = 0
        guard snapmgr_birth_time(descriptor.number, &born) == 1 else { return nil }
        return "\(status.inode)-\(born)"
    }

    /// Opens a lock's file, which is made if need be.
    func openLock(_ name: String) throws(IOFailure) -> OwnedDescriptor {
        try root.withParent(of: name) { (folder, leaf) throws(IOFailure) in
            let descriptor = try OwnedDescriptor(
                leaf, in: folder, flags: O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK,
                path: full(name))
            guard try FileStatus(descriptor: descriptor.number, path: full(name)).kind == .file
            else { throw IOFailure("lock", path: full(name), code: EINVAL) }
            return descriptor
        }
    }
}

extension FileFolder {
    /// The whole content of a small file, looked up as any program does; EFBIG when it is longer
    /// than the limit.
    package static func readFile(path: String, limitBytes: Int) throws(IOFailure) -> [UInt8] {
        try FileDevice(path: path, access: .readOnly).content(limitBytes: limitBytes)
    }

    /// Whether something has a path, looked up as any program does, symbolic links and all. Any
    /// answer but yes and no is an error.
    package static func exists(path: String) throws(IOFailure) -> Bool {
        try absent(as: false) { () throws(IOFailure) in
            _ = try FileStatus(path: path)
            return true
        }
    }
}
