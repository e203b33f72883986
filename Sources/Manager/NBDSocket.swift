internal import BlockIO
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
    ///   when it is no socket.
    func makeFree() throws {
        guard path.utf8.count <= Self.pathMaximum else {
            throw Problem(
                .usage,
                "the socket's path has \(path.utf8.count) bytes, and \(Self.pathMaximum) are "
                    + "allowed: \(path)", hint: "choose a shorter one with --socket PATH")
        }
        guard Paths.exists(path) else { return }
        guard try FileStatus(path: path).kind == .other else {
            throw Problem(
                .exists, "\(path) exists and is no socket", hint: "choose another with --socket PATH"
            )
        }
        guard !isAnswered() else {
            throw Problem(
                .locked, "a server listens on \(path) already",
                hint: "stop it, or choose another path with --socket PATH")
        }
        try Paths.remove(path)
    }

    /// Whether somebody accepts connections. Only a refused one tells that nobody does.
    private func isAnswered() -> Bool {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return true }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        return result == 0 || errno != ECONNREFUSED
    }
}
