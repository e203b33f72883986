internal import Glibc
internal import SnapshotModel
internal import StoreFormat
internal import System

/// Who serves a volume, and the Unix socket on which he takes clients: as the kernel tells it of the process
/// that has the store.
struct RunningServer {
    let process: ProcessIdentity
    let socket: String

    /// - Returns: nil when nobody has the volume open; a command that has it for a moment is waited for, and so is
    ///   a server that starts or ends.
    /// - Throws: `locked` when one has it for longer, `refused` when clients can reach the server only
    ///   otherwise.
    static func find(_ volume: String, storePath: String) throws -> RunningServer? {
        let deadline = Deadline(milliseconds: StoreHolder.patienceMilliseconds)
        while try FileLock.isHeld(StoreHolder.fileName, in: FileFolder(path: storePath)) {
            let path = storePath + "/" + StoreHolder.fileName
            if let process = StoreHolder(ofFile: path).flatMap({
                ProcessIdentity(id: $0.processID)
            }) {
                let sockets = listening(process.id)
                // A store's own socket is for commands.
                if let socket = sockets.first(where: { !$0.hasSuffix(commandSocketEnd) }) {
                    // Where it is not there any more, the server ends, and has the store still.
                    if deadline.hasPassed || (try? FileFolder.exists(path: socket)) == true {
                        return RunningServer(process: process, socket: socket)
                    }
                } else if !sockets.isEmpty, deadline.hasPassed {
                    // One that starts or ends has the store's socket alone for a moment.
                    throw unreachable(volume, process)
                }
            }
            guard !deadline.hasPassed else {
                throw StoreHolder.lockedProblem(store: FileFolder(path: storePath))
            }
            BackgroundThread.sleep(milliseconds: lookMilliseconds)
        }
        return nil
    }

    private static let lookMilliseconds = 5
    private static let commandSocketEnd = "/" + StoreLayout.controlSocket

    private static func unreachable(_ volume: String, _ process: ProcessIdentity) -> Problem {
        Problem(
            .refused,
            "volume \(volume) is served by process \(process.id), which listens on no Unix socket",
            hint: "stop it, then mount first and serve again, or serve on a socket: "
                + "\(.serve(volume))")
    }

    /// The socket on which a process takes clients, at a glance; nil when it has none, or that cannot be seen.
    static func socket(ofProcess id: Int32) -> String? {
        listening(id).first { !$0.hasSuffix(commandSocketEnd) }
    }

    /// The kernel's table of Unix sockets that have a path, as a process sees it.
    private static func table(_ process: Int32) -> [[Substring]] {
        text("/proc/\(process)/net/unix").split(separator: "\n").dropFirst().compactMap { line in
            // Number, references, protocol, flags, type, state, inode, path.
            let words = line.split(separator: " ", maxSplits: 7, omittingEmptySubsequences: true)
            return words.count == 8 ? words : nil
        }
    }

    /// Whether anybody is connected to a server by its socket.
    static func hasClients(_ process: ProcessIdentity, on socket: String) -> Bool {
        // The server's ends have its path, and the state "connected".
        table(process.id).contains { $0[5] == "03" && $0[7] == socket }
    }

    /// The paths of the Unix sockets on which a process listens; none where that cannot be seen.
    private static func listening(_ process: Int32) -> [String] {
        let folder = "/proc/\(process)"
        var paths: [Substring: String] = [:]
        for words in table(process) where words[3] == listens {
            paths[words[6]] = String(words[7])
        }
        let names = (try? FileFolder(path: folder).list("fd")) ?? []
        let found = names.sorted().compactMap { name -> String? in
            guard let target = link("\(folder)/fd/\(name)"), target.hasPrefix("socket:[") else {
                return nil
            }
            return paths[target.dropFirst("socket:[".count).dropLast()]
        }
        return found.compactMap { path in
            if path.hasPrefix("/") { return path }
            return link("\(folder)/cwd").map { $0 + "/" + path }
        }
    }

    /// Whether somebody listens on the socket that has a path.
    static func hasListener(_ socket: String) -> Bool {
        table(getpid()).contains { $0[3] == listens && $0[7] == socket }
    }

    /// Whether anybody can come to a server by its socket: who ends it takes that away first.
    static func takesClients(_ socket: String) throws -> Bool {
        try FileFolder.exists(path: socket) && hasListener(socket)
    }

    /// The flags of a socket that takes connections.
    private static let listens = "00010000"

    private static let textBytesMaximum = 8 << 20

    /// A file of the kernel's, which has no size.
    private static func text(_ path: String) -> String {
        guard let file = try? OwnedDescriptor(path: path, flags: O_RDONLY) else { return "" }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while bytes.count < textBytesMaximum {
            let count = read(file.number, &buffer, buffer.count)
            guard count > 0 else { break }
            bytes += buffer.prefix(count)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func link(_ path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(path, &buffer, buffer.count)
        guard count > 0 else { return nil }
        return String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
