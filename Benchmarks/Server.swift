import System
import Glibc

/// An nbdkit in the foreground on a Unix socket.
final class Server {
    private let pid: pid_t
    private let socket: String

    init(_ workspace: Workspace, plugin: [String]) throws {
        socket = workspace.newPath("socket")
        pid = try workspace.start(
            ["nbdkit", "--foreground", "--log=null", "--unix", socket] + plugin)
        for _ in 0..<500 where access(socket, F_OK) != 0 { usleep(10_000) }
        guard access(socket, F_OK) == 0 else {
            stop()
            throw IOFailure("start nbdkit on", path: socket, code: ETIMEDOUT)
        }
    }

    var address: String { address("") }

    func address(_ export: String) -> String { "nbd+unix:///\(export)?socket=\(socket)" }

    func stop() {
        kill(pid, SIGTERM)
        var status: Int32 = 0
        waitpid(pid, &status, 0)
    }

    /// The most memory that the server has had, in KiB.
    func peakResidentKibibytes() throws -> Int {
        let text = try FileFolder(path: "/proc/\(pid)").pseudoFile("status")
        let line = text.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        return line.flatMap { Int($0.filter(\.isNumber)) } ?? 0
    }
}

extension FileFolder {
    /// A file of /proc, whose size reads as 0.
    func pseudoFile(_ name: String) throws -> String {
        guard let file = fopen("\(path)/\(name)", "r") else {
            throw IOFailure("open", path: "\(path)/\(name)", code: errno)
        }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
