import Foundation
import Glibc
import SnapshotModel
import TestKit
import WebTestKit
import Testing

/// The socket on which the API is served, and what becomes of it.
@Suite(
    .serialized, .timeLimit(.minutes(10)),
    .enabled(if: CommandLineHarness.isBuilt, "needs a build"))
struct HTTPServiceTests {
    private func scene() throws -> WebScene {
        let harness = try CommandLineHarness()
        try harness.json("volume", "create", "a", "--origin", "a.img", "--create-size", "1M")
        return try WebScene(harness)
    }

    private func mode(_ path: String) -> mode_t? {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_mode : nil
    }

    @Test("the socket is its owner's alone, and goes with the daemon, which ends in order")
    func ending() throws {
        let scene = try scene()
        let daemon = try scene.startDaemon()
        #expect(mode(scene.socket) == S_IFSOCK | 0o600)
        // Nobody who has connected holds it up: neither who says nothing nor who waits for the next answer.
        let silent = try HTTPConnection(scene.socket)
        let idle = try HTTPConnection(scene.socket)
        idle.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(idle.receive()?.isEmpty == false)
        daemon.send(SIGTERM)
        #expect(try daemon.wait(seconds: 10) == 0)
        #expect(mode(scene.socket) == nil)
        withExtendedLifetime((silent, idle)) {}
    }

    @Test("a dead daemon's socket is replaced; what is no socket stays, and a live one's, too")
    func taken() throws {
        let scene = try scene()
        let first = try scene.startDaemon()
        first.end()
        #expect(mode(scene.socket) == S_IFSOCK | 0o600)
        try scene.startDaemon()

        let other = try self.scene()
        let (rival, files) = try other.launch(["--http", "unix:\(scene.socket)"])
        #expect(try rival.wait() == 6)
        #expect(try other.harness.text(files.errors).contains("somebody serves"))
        #expect(try scene.client.get("/healthz").status == 200)

        try Data("mine".utf8).write(to: URL(filePath: other.socket))
        #expect(try other.launch(["--http", "unix"]).process.wait() == 6)
        #expect(try other.harness.text(other.socket) == "mine")
        #expect(
            try other.launch(["--http", "unix:/no/such/folder/socket"]).process.wait() == 6)
    }

    @Test("clients that say nothing, or nonsense, hold up nobody else")
    func crowd() throws {
        let scene = try scene()
        try scene.startDaemon()
        var crowd: [HTTPConnection] = []
        for number in 0..<200 {
            let connection = try HTTPConnection(scene.socket)
            connection.send(number % 2 == 0 ? "" : "GET /api/v1/volumes HTTP/1.1\r\nHost:")
            crowd.append(connection)
        }
        let start = Instant.now
        #expect(try scene.client.get("/api/v1/volumes").status == 200)
        #expect(Instant.now - start < 5)
        let nonsense = try HTTPConnection(scene.socket)
        nonsense.send("\u{1}\u{2}nonsense\r\n\r\n")
        #expect(try HTTPAnswer(try nonsense.rest()).status == 400)
        let large = try HTTPConnection(scene.socket)
        large.send(
            "GET / HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "x", count: 100_000) + "\r\n\r\n"
        )
        #expect(try HTTPAnswer(try large.rest()).status == 431)
        #expect(try scene.harness.run("snapshot", "a").status == 0)
    }

    @Test(
        "a group may do what its role says, and who is not in it may not even connect",
        .enabled(if: geteuid() == 0, "needs root"))
    func group() throws {
        let scene = try scene()
        let folder = scene.harness.folder + "/run"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        for path in [scene.harness.folder, folder] { chmod(path, 0o755) }
        let socket = folder + "/api"
        try scene.startDaemon(
            "--http", "unix:\(socket)", "--http-group", "54321", "--http-role", "read", at: socket)
        #expect(mode(socket) == S_IFSOCK | 0o660)
        #expect(try ask(scene, socket, group: 54321).hasPrefix("HTTP/1.1 200"))
        #expect(try ask(scene, socket, group: 54322).contains("PermissionError"))
    }

    /// Asks as a user of a group.
    private func ask(_ scene: WebScene, _ socket: String, group: Int) throws -> String {
        let program = """
            import socket
            s = socket.socket(socket.AF_UNIX)
            s.connect("\(socket)")
            s.sendall(b"GET /api/v1/volumes HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n")
            print(s.recv(4096).decode())
            """
        let result = try scene.harness.tool([
            "setpriv", "--reuid=54321", "--regid=\(group)", "--clear-groups", "/usr/bin/python3",
            "-c", program,
        ])
        return result.output + result.errors
    }
}
