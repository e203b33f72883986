internal import CSystem
internal import Glibc

/// An open folder in which files are made by names that somebody else has chosen. All is done below its
/// descriptor: no symbolic link is followed, no name leads out of it, and nothing is replaced unawares.
package final class TargetFolder {
    package let path: String
    private let descriptor: OwnedDescriptor

    /// Opens a folder that the user has named.
    package convenience init(path: String) throws(IOFailure) {
        try self.init(
            OwnedDescriptor(path: path, flags: O_RDONLY | O_DIRECTORY), path: path)
    }

    private init(_ descriptor: consuming OwnedDescriptor, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    private var number: Int32 { descriptor.number }

    /// A name as the system takes it. EINVAL for one that is none: empty, `.`, `..`, or with a slash or a
    /// zero in it.
    private func name(_ bytes: [UInt8]) throws(IOFailure) -> [CChar] {
        let isDots = bytes == [UInt8(ascii: ".")] || bytes == [UInt8](repeating: 0x2E, count: 2)
        guard !bytes.isEmpty, !isDots, !bytes.contains(0), !bytes.contains(UInt8(ascii: "/")) else {
            throw IOFailure("use the name", path: shown(bytes), code: EINVAL)
        }
        return bytes.map { CChar(bitPattern: $0) } + [0]
    }

    private func shown(_ bytes: [UInt8]) -> String {
        path + "/" + String(decoding: bytes, as: UTF8.self)
    }

    private func require(
        _ result: Int32, _ operation: String, _ bytes: [UInt8]
    ) throws(IOFailure) {
        guard result == 0 else { throw .last(operation, path: shown(bytes)) }
    }

    // MARK: Looking

    /// What has a name, itself and not what it may point to; nil when nothing has it.
    package func status(_ bytes: [UInt8]) throws(IOFailure) -> FileStatus? {
        var status = stat()
        guard fstatat(number, try name(bytes), &status, AT_SYMLINK_NOFOLLOW) != 0 else {
            return FileStatus(status)
        }
        let failure = IOFailure.last("examine", path: shown(bytes))
        guard failure.isAbsence else { throw failure }
        return nil
    }

    /// Opens a folder in this one.
    package func folder(_ bytes: [UInt8]) throws(IOFailure) -> TargetFolder {
        let name = try name(bytes)
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
        let opened = retryingInterrupts { openat(number, name, flags) }
        guard opened >= 0 else { throw .last("open", path: shown(bytes)) }
        return TargetFolder(OwnedDescriptor(owning: opened), path: shown(bytes))
    }

    // MARK: Making

    /// Makes a folder that its owner alone may use until it gets its permissions.
    package func makeFolder(_ bytes: [UInt8]) throws(IOFailure) -> TargetFolder {
        try require(mkdirat(number, try name(bytes), 0o700), "make folder", bytes)
        let made = try folder(bytes)
        OpenNode(number: made.number, path: made.path).forgetInherited()
        return made
    }

    /// Makes an empty file, likewise; EEXIST when the name is taken.
    package func makeFile(_ bytes: [UInt8]) throws(IOFailure) -> TargetFile {
        let name = try name(bytes)
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        let opened = retryingInterrupts { openat(number, name, flags, 0o600) }
        guard opened >= 0 else { throw .last("make", path: shown(bytes)) }
        let file = TargetFile(OwnedDescriptor(owning: opened), path: shown(bytes))
        file.forgetInherited()
        return file
    }

    /// Makes a symbolic link; its target is any text without a zero.
    package func makeLink(_ bytes: [UInt8], to target: [UInt8]) throws(IOFailure) {
        guard !target.isEmpty, !target.contains(0) else {
            throw IOFailure("make the link", path: shown(bytes), code: EINVAL)
        }
        let text = target.map { CChar(bitPattern: $0) } + [0]
        try require(symlinkat(text, number, try name(bytes)), "make the link", bytes)
    }

    /// Makes a FIFO, a socket's name or a device's node; `mode` has the kind alone.
    package func makeNode(
        _ bytes: [UInt8], mode: UInt32, major: UInt32, minor: UInt32
    ) throws(IOFailure) {
        let result = snapmgr_make_node(number, try name(bytes), mode | 0o600, major, minor)
        try require(result, "make", bytes)
    }

    /// Gives a file that lies in `other` a second name here.
    package func link(
        _ bytes: [UInt8], to existing: [UInt8], in other: TargetFolder
    ) throws(IOFailure) {
        let result = linkat(other.number, try other.name(existing), number, try name(bytes), 0)
        try require(result, "link", bytes)
    }

    // MARK: Naming

    /// Renames here. EEXIST when the new name is taken and `replaces` is false.
    package func rename(
        _ bytes: [UInt8], to new: [UInt8], replaces: Bool
    ) throws(IOFailure) {
        let (old, fresh) = (try name(bytes), try name(new))
        if replaces {
            try require(renameat(number, old, number, fresh), "rename to", new)
            return
        }
        if snapmgr_rename_new(number, old, number, fresh) == 0 { return }
        // A filesystem that does not know it; nobody else is expected to take the name meanwhile.
        guard errno == EINVAL || errno == ENOSYS else { throw .last("rename to", path: shown(new)) }
        guard try status(new) == nil else {
            throw IOFailure("rename to", path: shown(new), code: EEXIST)
        }
        try require(renameat(number, old, number, fresh), "rename to", new)
    }

    /// Writes out what has been made here, with all else that the filesystem has in memory.
    package func syncFilesystem() throws(IOFailure) {
        guard snapmgr_sync_around(number) == 0 else { throw .last("sync", path: path) }
    }

    /// Gives two names here to each other, so that neither is ever missing; where the filesystem cannot, one
    /// after the other.
    package func exchange(_ bytes: [UInt8], _ other: [UInt8]) throws(IOFailure) {
        let (first, second) = (try name(bytes), try name(other))
        if snapmgr_rename_exchange(number, first, second) == 0 { return }
        guard errno == EINVAL || errno == ENOSYS else {
            throw .last("exchange", path: shown(bytes))
        }
        let aside = bytes + Array(".snapmgr-aside".utf8)
        try rename(other, to: aside, replaces: false)
        do throws(IOFailure) { try rename(bytes, to: other, replaces: false) } catch {
            try? rename(aside, to: other, replaces: false)
            throw error
        }
        try rename(aside, to: bytes, replaces: false)
    }

    /// Removes a name, and of a folder everything below it.
    package func removeTree(_ bytes: [UInt8]) throws(IOFailure) {
        guard let status = try status(bytes) else { return }
        guard status.kind == .folder else {
            return try require(unlinkat(number, try name(bytes), 0), "remove", bytes)
        }
        let folder = try folder(bytes)
        for name in try folder.names() { try folder.removeTree(name) }
        try require(unlinkat(number, try name(bytes), AT_REMOVEDIR), "remove", bytes)
    }

    private func names() throws(IOFailure) -> [[UInt8]] {
        let again = openat(number, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard again >= 0, let stream = fdopendir(again) else { throw .last("list", path: path) }
        defer { closedir(stream) }
        var names: [[UInt8]] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                let size = MemoryLayout.size(ofValue: pointer.pointee)
                return pointer.withMemoryRebound(to: UInt8.self, capacity: size) {
                    Array(UnsafeBufferPointer(start: $0, count: size).prefix { $0 != 0 })
                }
            }
            if name != [0x2E], name != [0x2E, 0x2E] { names.append(name) }
        }
        return names
    }

    // MARK: All but content

    /// Gives the folder itself its owner, permissions, attributes and times.
    ///
    /// - Returns: the attributes that could not be set, with the error numbers.
    package func apply(_ metadata: NodeMetadata) throws(IOFailure) -> [String: Int32] {
        try OpenNode(number: number, path: path).apply(metadata)
    }

    /// The same for what has no content to be opened for: a link, a FIFO, a device's node. Its attributes
    /// are left out.
    package func apply(
        _ metadata: NodeMetadata, to bytes: [UInt8], isLink: Bool
    ) throws(IOFailure) {
        let name = try name(bytes)
        if let owner = metadata.owner {
            try require(
                fchownat(number, name, owner.user, owner.group, AT_SYMLINK_NOFOLLOW),
                "set the owner of", bytes)
        }
        // Nothing follows a name that this process has made a moment ago in a folder of its own.
        if !isLink {
            try require(
                fchmodat(number, name, metadata.permissions, 0), "set the permissions of", bytes)
        }
        var times = metadata.times
        try require(
            utimensat(number, name, &times, AT_SYMLINK_NOFOLLOW), "set the times of", bytes)
    }
}
