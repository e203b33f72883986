import System
import Glibc
import SnapshotModel
import TestKit

/// The real `snapmgr serve`, on a socket of the guest's own; killed when the case ends.
final class NBDServer {
    let socket = "/run/snapmgr-nbd.sock"
    /// The server's process; nil once it has ended.
    private var process: pid_t?

    private static let output = ["/run/snapmgr-server-output", "/run/snapmgr-server-errors"]
    private static let startMilliseconds = 300_000

    /// Serves the named volumes, or all that can be, and returns when clients are answered.
    init(_ rig: CommandRig, _ context: GuestContext, _ volumes: String...) throws {
        let words = ["serve"] + volumes + ["--socket", socket]
        process = try rig.snapmgr.spawn(words, output: Self.output)
        context.cleanUp { [self] in kill() }
        try waitUntilServing()
    }

    /// The program name that others know it by.
    func description() throws -> String { "process \(try require(process, "server")) (nbdkit)" }

    private func waitUntilServing() throws {
        let deadline = Deadline(milliseconds: Self.startMilliseconds)
        while true {
            // A server that knows no such export answers all the same.
            do { _ = try NBDClient(socket: socket, export: "none") } catch let error as Problem {
                if error.code == .notFound { return }
            }
            let isRunning = process.map { waitpid($0, nil, WNOHANG) == 0 } ?? false
            if !isRunning { process = nil }
            let errors = try TextFile.read(Self.output[1])
            try expect(
                isRunning && !deadline.hasPassed, "the server does not serve: \(errors)")
            BackgroundThread.sleep(milliseconds: 50)
        }
    }

    /// What it has said.
    var log: String { get throws { try TextFile.read(Self.output[1]) } }

    /// Ends it without a word to it.
    func kill() { end(by: SIGKILL) }

    /// Ends it as systemd would.
    func stop() { end(by: SIGTERM) }

    private func end(by signal: Int32) {
        guard let process else { return }
        self.process = nil
        _ = Glibc.kill(process, signal)
        while waitpid(process, nil, 0) < 0, errno == EINTR {}
    }

    func client(_ export: String) throws -> NBDClient {
        try NBDClient(socket: socket, export: export)
    }

    func uri(_ export: String) -> String { "nbd+unix:///\(export)?socket=\(socket)" }

    /// Ends the case unless there is no such export for a client.
    func refuses(
        _ export: String, fileID: StaticString = #fileID, line: Int = #line
    ) throws {
        try expectFailure("opening \(export)", fileID: fileID, line: line) {
            _ = try client(export)
        }
    }
}

extension DiskContent {
    /// Ends the case unless a client reads exactly this.
    func expect(
        from client: NBDClient, _ what: String, fileID: StaticString = #fileID, line: Int = #line
    ) throws {
        try expectEqual(client.byteCount, byteCount, "size of \(what)", fileID: fileID, line: line)
        for block in 0..<blockCount {
            let bytes = try client.read(range(of: block))
            if let difference = difference(of: bytes.span.bytes, from: block..<block + 1) {
                try GuestTests.expect(
                    false, "\(what) \(difference)", fileID: fileID, line: line)
            }
        }
    }
}
