internal import System
internal import Glibc
internal import SnapshotModel

/// The Unix socket that `serve` is to listen on.
struct NBDSocket {
    let path: String

    /// The longest path of a socket, in bytes: `sun_path` has 108 with its final zero.
    static let pathMaximum = 107

    /// Removes the socket of a server that is dead.
    ///
    /// - Throws: `usage` when the path is too long, `locked` when a server listens there, `exists`
    ///   when it is not a socket.
    func makeFree() throws {
        guard path.utf8.count <= Self.pathMaximum else {
            throw Problem(
                .usage,
                "the socket's path has \(path.utf8.count) bytes, and \(Self.pathMaximum) are "
                    + "allowed: \(path)", hint: "choose a shorter one with --socket PATH")
        }
        guard let status = try FileStatus.ofName(path) else { return }
        guard status.kind == .socket else {
            throw Problem(
                .exists, "\(path) exists and is not a socket",
                hint: "choose another with --socket PATH"
            )
        }
        guard !isAnswered() else {
            throw Problem(
                .locked, "a server listens on \(path) already",
                hint: "stop it, or choose another path with --socket PATH")
        }
        try Paths.remove(path)
    }

    /// Opens the socket for listening, readable and writable by its owner only.
    ///
    /// nbdkit's own `--unix` would leave it open to everybody: it sets its umask itself. So the
    /// socket is made here and handed over as systemd does it.
    /// - Returns: its descriptor, which no program inherits unless it is passed on.
    /// - Throws: `cannotListen`.
    func listen() throws -> Int32 {
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(AF_UNIX, kind, 0)
        guard descriptor >= 0 else { throw failure("open a socket for") }
        let mask = umask(0o177)
        let result = withAddress { bind(descriptor, $0, $1) }
        umask(mask)
        guard result == 0, Glibc.listen(descriptor, SOMAXCONN) == 0 else {
            let failure = failure("listen on")
            close(descriptor)
            throw failure
        }
        return descriptor
    }

    /// Removes the name of a socket of ours that no server took over.
    func abandon() { unlink(path) }

    private func failure(_ operation: String) -> Problem {
        Problem(
            .cannotListen, IOFailure(operation, path: path, code: errno).description,
            hint: "check its folder and who may write there, or choose another path with "
                + "--socket PATH")
    }

    /// Whether somebody accepts connections. Only a refused one tells that nobody does.
    private func isAnswered() -> Bool {
        // Without waiting: a server that was stopped takes nobody, and has the socket all the same.
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(AF_UNIX, kind, 0)
        guard descriptor >= 0 else { return true }
        defer { close(descriptor) }
        let result = withAddress { connect(descriptor, $0, $1) }
        return result == 0 || errno != ECONNREFUSED
    }

    private func withAddress<Result>(
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) {
            // Cut where it is too long, which ``makeFree()`` refuses before.
            $0.copyBytes(from: path.utf8.prefix(Self.pathMaximum))
        }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
