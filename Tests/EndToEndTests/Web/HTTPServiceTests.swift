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
        idle.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        #expect(idle.receive()?.isEmpty == false)
        daemon.send(SIGTERM)
        // Before they would be closed in any case.
        #expect(try daemon.wait(seconds: 50) == 0)
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
        #expect(try refusal(other, "unix:\(scene.socket)").contains("somebody serves"))
        #expect(try scene.client.get("/healthz").status == 200)

        try Data("mine".utf8).write(to: URL(filePath: other.socket))
        #expect(try refusal(other, "unix").contains("cannot be served"))
        #expect(try other.harness.text(other.socket) == "mine")
        #expect(try refusal(other, "unix:/no/such/folder/socket").contains("cannot be served"))
    }

    /// What a daemon says that cannot serve HTTP. It ends with 6, or goes on where there are devices to watch.
    private func refusal(_ scene: WebScene, _ address: String) throws -> String {
        let (daemon, files) = try scene.launch(["--http", address])
        try BusScene.await("its refusal") {
            try !daemon.isRunning || scene.harness.text(files.errors).contains("without HTTP")
        }
        if daemon.isRunning { daemon.end() } else { #expect(try daemon.wait() == 6) }
        return try scene.harness.text(files.errors)
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
        #expect(try scene.client.get("/api/v1/volumes").status == 200)
        // All of them are still there: nobody had to be closed for it, as they are after a minute.
        var states = crowd.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
        let closed = poll(&states, nfds_t(states.count), 0)
        #expect(closed == 0)
        let nonsense = try HTTPConnection(scene.socket)
        nonsense.send("\u{1}\u{2}nonsense\r\n\r\n")
        #expect(try HTTPAnswer(try nonsense.rest()).status == 400)
        let large = try HTTPConnection(scene.socket)
        large.send(
            "GET / HTTP/1.1\r\nHost: localhost\r\nX: " + String(repeating: "x", count: 100_000)
                + "\r\n\r\n"
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
        let look =
            "GET /api/v1/volumes HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n"
        #expect(try ask(scene, socket, group: 54321, look).hasPrefix("HTTP/1.1 200"))
        #expect(try ask(scene, socket, group: 54322, look).contains("PermissionError"))
        let change =
            "POST /api/v1/merges/pause HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n"
            + "Content-Type: application/json\\r\\nContent-Length: 2\\r\\n\\r\\n{}"
        #expect(try ask(scene, socket, group: 54321, change).hasPrefix("HTTP/1.1 403"))
    }

    /// Asks as a user of a group.
    ///
    /// - Parameter request: as Python has it between quotes.
    private func ask(
        _ scene: WebScene, _ socket: String, group: Int, _ request: String
    ) throws -> String {
        let program = """
            import socket
            s = socket.socket(socket.AF_UNIX)
            s.connect("\(socket)")
            s.sendall(b"\(request)")
            print(s.recv(4096).decode())
            """
        let result = try scene.harness.tool([
            "setpriv", "--reuid=54321", "--regid=\(group)", "--clear-groups", "/usr/bin/python3",
            "-c", program,
        ])
        return result.output + result.errors
    }
}
