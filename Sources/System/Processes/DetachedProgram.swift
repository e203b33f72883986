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
        let log = try OwnedDescriptor(
            path: logPath, flags: O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW)
        var id: pid_t = 0
        let pointers = arguments.map { strdup($0) }
        let code = snapmgr_spawn_orphan(path, pointers + [nil], environ, log.number, &id)
        for pointer in pointers { free(pointer) }
        guard code == 0 else { throw IOFailure("run", path: path, code: code) }
        identity = ProcessIdentity(startedJustNow: id)
        self.logPath = logPath
        name = PathHalves(path).name
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
