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

    /// What the folder itself is.
    package var ownStatus: FileStatus {
        get throws(IOFailure) { try FileStatus(descriptor: number, path: path) }
    }

    private var ownStat: stat {
        get throws(IOFailure) {
            var status = stat()
            guard fstat(number, &status) == 0 else { throw .last("examine", path: path) }
            return status
        }
    }

    /// Whether somebody else than this user and root may put something in the place of a name here.
    private var isOthersToChange: Bool {
        get throws(IOFailure) {
            let status = try ownStat
            return ![0, geteuid()].contains(status.st_uid)
                || status.st_mode & (S_IWGRP | S_IWOTH) != 0
        }
    }

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
    ///
    /// - Throws: EPERM when somebody else has put another one in its place.
    package func makeFolder(_ bytes: [UInt8]) throws(IOFailure) -> TargetFolder {
        try require(mkdirat(number, try name(bytes), 0o700), "make folder", bytes)
        return try takeUp(bytes)
    }

    /// Opens a folder that was made a moment ago.
    func takeUp(_ bytes: [UInt8]) throws(IOFailure) -> TargetFolder {
        let made = try folder(bytes)
        if try isOthersToChange {
            guard try made.isAsMade else { throw .replaced(shown(bytes)) }
        }
        OpenNode(number: made.number, path: made.path).forgetInherited()
        return made
    }

    private var isAsMade: Bool {
        get throws(IOFailure) {
            let status = try ownStat
            guard status.st_uid == geteuid(), status.st_mode & 0o077 == 0 else {
                return false
            }
            return try names().isEmpty
        }
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
    ///
    /// - Throws: EPERM when somebody else has put something in its place.
    package func makeLink(
        _ bytes: [UInt8], to target: [UInt8]
    ) throws(IOFailure) -> TargetNode {
        guard !target.isEmpty, !target.contains(0) else {
            throw IOFailure("make the link", path: shown(bytes), code: EINVAL)
        }
        let text = target.map { CChar(bitPattern: $0) } + [0]
        try require(symlinkat(text, number, try name(bytes)), "make the link", bytes)
        return try takeUp(bytes, kind: S_IFLNK)
    }

    /// Makes a FIFO, a socket's name or a device's node; `mode` has the kind alone.
    ///
    /// - Throws: EPERM when somebody else has put something in its place.
    package func makeNode(
        _ bytes: [UInt8], mode: UInt32, major: UInt32, minor: UInt32
    ) throws(IOFailure) -> TargetNode {
        let result = snapmgr_make_node(number, try name(bytes), mode | 0o600, major, minor)
        try require(result, "make", bytes)
        return try takeUp(bytes, kind: mode, device: snapmgr_device_number(major, minor))
    }

    /// Holds what was made a moment ago.
    func takeUp(
        _ bytes: [UInt8], kind: UInt32, device: UInt64 = 0
    ) throws(IOFailure) -> TargetNode {
        let owner = try isOthersToChange ? geteuid() : nil
        return try TargetNode(
            name(bytes), in: number, path: shown(bytes),
            asked: TargetNode.Asked(kind: kind, device: device, owner: owner))
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
        try exchangeInSteps(bytes, other) { (name, new) throws(IOFailure) in
            try rename(name, to: new, replaces: false)
        }
    }

    /// The same by three renames. When one fails, what was done is taken back; when that fails, too, the
    /// failure says where what had the first name is now.
    func exchangeInSteps(
        _ bytes: [UInt8], _ other: [UInt8],
        _ move: (_ name: [UInt8], _ new: [UInt8]) throws(IOFailure) -> Void
    ) throws(IOFailure) {
        let aside = bytes + Array(".snapmgr-aside".utf8)
        try move(other, aside)
        do throws(IOFailure) { try move(bytes, other) } catch {
            try? move(aside, other)
            throw error
        }
        do throws(IOFailure) { try move(aside, bytes) } catch {
            do throws(IOFailure) { try move(other, bytes) } catch {
                throw IOFailure(
                    "give \(shown(bytes)) back what was there, and is now", path: shown(other),
                    code: error.code)
            }
            try? move(aside, other)
            throw error
        }
    }

    /// As ``removeTree(_:)``, of `known` alone: nothing is done when something else has the name.
    package func removeTree(_ bytes: [UInt8], of known: FileStatus) throws(IOFailure) {
        guard let status = try status(bytes), status.inode == known.inode,
            status.device == known.device
        else { return }
        try removeTree(bytes)
    }

    /// Removes a name, and of a folder everything below it.
    package func removeTree(_ bytes: [UInt8]) throws(IOFailure) {
        guard let status = try status(bytes) else { return }
        guard status.kind == .folder else {
            return try require(unlinkat(number, try name(bytes), 0), "remove", bytes)
        }
        let folder = try folderToEmpty(bytes)
        for name in try folder.names() { try folder.removeTree(name) }
        try require(unlinkat(number, try name(bytes), AT_REMOVEDIR), "remove", bytes)
    }

    /// Opens a folder that this user may have no right to empty, or to read, as its permissions are those of
    /// another one.
    private func folderToEmpty(_ bytes: [UInt8]) throws(IOFailure) -> TargetFolder {
        if geteuid() != 0 {
            _ = fchmodat(number, try name(bytes), 0o700, AT_SYMLINK_NOFOLLOW)
        }
        let folder = try folder(bytes)
        if geteuid() != 0 { _ = fchmod(folder.number, 0o700) }
        return folder
    }

    private func names() throws(IOFailure) -> [[UInt8]] {
        let again = openat(number, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard again >= 0, let stream = fdopendir(again) else { throw .last("list", path: path) }
        defer { closedir(stream) }
        var names: [[UInt8]] = []
        while let entry = readdir(stream) {
            var length = 0
            let start = snapmgr_entry_name(UnsafeRawPointer(entry), &length)
            let name = Array(UnsafeRawBufferPointer(start: start, count: length))
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
}
