internal import CSystem
internal import Glibc
internal import SnapshotModel

/// A program that this process has started, and that goes on when it has ended: in another session, in the
/// folder /, with what it says in a file. It is no child of this process: nbdkit ends with its parent when it is
/// handed sockets.
package struct DetachedProgram: Sendable {
    package let identity: ProcessIdentity
    private let logPath: String
    private let name: String

    private static let logBytesMaximum = 64 << 10

    /// - Parameters:
    ///   - arguments: the program's path first.
    ///   - logPath: a file that is made anew, for its owner alone.
    package init(_ arguments: [String], logPath: String) throws(IOFailure) {
        let path = arguments.first ?? ""
        guard unlink(logPath) == 0 || errno == ENOENT else { throw .last("remove", path: logPath) }
        let log = try OwnedDescriptor(path: logPath, flags: O_WRONLY | O_CREAT | O_EXCL)
        // It goes on with the program's own descriptors, and ends with the last of them.
        let number = log.number
        guard retryingInterrupts({ flock(number, LOCK_EX) }) == 0 else {
            throw .last("lock", path: logPath)
        }
        var id: pid_t = 0
        let pointers = arguments.map { strdup($0) }
        let code = snapmgr_spawn_orphan(path, pointers + [nil], environ, log.number, &id)
        for pointer in pointers { free(pointer) }
        guard code == 0 else { throw IOFailure("run", path: path, code: code) }
        identity = ProcessIdentity(startedJustNow: id)
        self.logPath = logPath
        name = PathHalves(path).name
    }

    /// Whether the program that was started with this file still runs, as its lock on that tells: from any
    /// namespace, and without a right to see the process.
    package static func isRunning(logPath: String) throws(IOFailure) -> Bool {
        guard try FileFolder.exists(path: logPath) else { return false }
        let log = try OwnedDescriptor(path: logPath, flags: O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
        let number = log.number
        if retryingInterrupts({ flock(number, LOCK_SH | LOCK_NB) }) == 0 { return false }
        guard errno == EWOULDBLOCK else { throw .last("look at", path: logPath) }
        return true
    }

    package var hasEnded: Bool { !identity.isRunning }

    /// The last line that it has said; its name when it has said nothing.
    package var lastWords: String {
        let bytes =
            (try? FileFolder.readFile(path: logPath, limitBytes: Self.logBytesMaximum)) ?? []
        let line = String(decoding: bytes, as: UTF8.self).split(separator: "\n").last
        return line.map(String.init) ?? "\(name) ended without a word"
    }
}
