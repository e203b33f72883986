internal import Glibc

/// Whether somebody else can change what a path names.
///
/// The rule is sshd's for its own files: the file, and each folder on the way to it, belongs to root
/// or to the user who runs this process, and neither its group nor others may write to it. In a
/// folder with the sticky bit, such as `/tmp`, others may make files but cannot replace those of
/// their neighbours, so that it is fine on the way to something, but not as the place itself. What
/// symbolic links name is walked in the same way. The group of a block device may write to it: who
/// is in the group `disk` has root's rights over data anyway.
package struct PathTrust: Sendable {
    private let user: UInt32

    /// - Parameter user: trusted besides root.
    package init(user: UInt32) { self.user = user }

    /// For the user who runs this process.
    package static var ofThisProcess: PathTrust { PathTrust(user: geteuid()) }

    /// How many symbolic links a path may hold, as in Linux.
    private static let linkLimit = 40

    /// The first component of an absolute path that somebody else can change; nil when nobody can.
    ///
    /// What is missing is nobody's: the walk ends there, and what was there until then counts.
    /// - Throws: when a component cannot be examined, or links go round in circles.
    package func flaw(of path: String) throws(IOFailure) -> PathFlaw? {
        if let flaw = try flaw(ofEntry: "/", isLast: false) { return flaw }
        var (resolved, rest, links) = ([String](), components(path), 0)
        while let name = rest.popLast() {
            guard name != ".." else {
                _ = resolved.popLast()
                continue
            }
            let entry = "/" + (resolved + [name]).joined(separator: "/")
            guard let status = try Self.status(entry) else { return nil }
            if let flaw = flaw(of: status, path: entry, isLast: rest.isEmpty) { return flaw }
            guard status.st_mode & S_IFMT == S_IFLNK else {
                resolved.append(name)
                continue
            }
            links += 1
            guard links <= Self.linkLimit else {
                throw IOFailure("examine", path: path, code: ELOOP)
            }
            let target = try Self.target(ofLink: entry)
            if target.hasPrefix("/") { resolved = [] }
            rest += components(target)
        }
        return nil
    }

    /// The names of a path, the last one first.
    private func components(_ path: String) -> [String] {
        path.split(separator: "/").reversed().filter { $0 != "." }.map(String.init)
    }

    private func flaw(ofEntry path: String, isLast: Bool) throws(IOFailure) -> PathFlaw? {
        guard let status = try Self.status(path) else { return nil }
        return flaw(of: status, path: path, isLast: isLast)
    }

    private func flaw(of status: stat, path: String, isLast: Bool) -> PathFlaw? {
        let owner = status.st_uid
        guard owner == 0 || owner == user else {
            return PathFlaw(path: path, cause: .owner, owner: Self.name(ofUser: owner))
        }
        let kind = status.st_mode & S_IFMT
        // The mode of a link says nothing: only the folder that holds it counts.
        guard kind != S_IFLNK else { return nil }
        let isWayThrough = kind == S_IFDIR && !isLast && status.st_mode & S_ISVTX != 0
        let groupMayWrite = status.st_mode & S_IWGRP != 0 && kind != S_IFBLK
        guard !isWayThrough, groupMayWrite || status.st_mode & S_IWOTH != 0 else { return nil }
        let cause: PathFlaw.Cause =
            status.st_mode & S_IWOTH != 0 ? .writableByAll : .writableByGroup
        return PathFlaw(path: path, cause: cause, owner: Self.name(ofUser: owner))
    }

    /// nil when there is nothing of that name.
    private static func status(_ path: String) throws(IOFailure) -> stat? {
        var status = stat()
        guard lstat(path, &status) != 0 else { return status }
        guard errno == ENOENT || errno == ENOTDIR else { throw .last("examine", path: path) }
        return nil
    }

    private static func target(ofLink path: String) throws(IOFailure) -> String {
        var bytes = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(path, &bytes, bytes.count)
        guard count >= 0 else { throw .last("examine", path: path) }
        return String(decoding: bytes[..<count], as: UTF8.self)
    }

    private static func name(ofUser user: UInt32) -> String {
        var (entry, found) = (passwd(), UnsafeMutablePointer<passwd>?.none)
        var buffer = [CChar](repeating: 0, count: 16_384)
        let result = getpwuid_r(user, &entry, &buffer, buffer.count, &found)
        guard result == 0, found != nil, let name = entry.pw_name else { return "uid \(user)" }
        return String(cString: name)
    }
}
