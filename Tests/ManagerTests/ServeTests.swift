import Glibc
import SnapshotModel
import Testing

@testable import Manager

@Suite struct ServeTests {
    static let tools = ServeTools(nbdkitPath: "/usr/bin/nbdkit", pluginPath: "/lib/plugin.so")

    static let commands: [(ServeRequest, [String])] = [
        (
            ServeRequest(volumes: [], endpoint: .socket(path: "/run/s")),
            ["nbdkit", "--foreground", "/lib/plugin.so", "volume=a:/stores/a"]
        ),
        (
            ServeRequest(
                volumes: [], endpoint: .listen(address: "10.0.0.1", port: 10_809), tlsPath: "/tls",
                threadCount: 4),
            [
                "nbdkit", "--foreground", "--ipaddr", "10.0.0.1", "--port", "10809",
                "--tls=require", "--tls-certificates=/tls", "--threads", "4", "/lib/plugin.so",
                "volume=a:/stores/a",
            ]
        ),
        (
            ServeRequest(volumes: [], endpoint: .inherited),
            ["nbdkit", "--foreground", "/lib/plugin.so", "volume=a:/stores/a"]
        ),
    ]

    @Test("nbdkit is called as it should", arguments: commands)
    func command(request: ServeRequest, arguments: [String]) {
        let command = ServeCommand(request, Self.tools, volumes: [("a", "/stores/a")])
        #expect(command.executable == "/usr/bin/nbdkit")
        #expect(command.arguments == arguments)
    }

    @Test("daily 23: what is to be served is listed as it is now, and what is gone is left out")
    func listing() throws {
        let fixture = try ManagerFixture()
        for name in ["a", "b"] { try fixture.makeVolume(name) }
        let all = try fixture.manager.serving.parameters([])
        #expect(all.map { $0.prefix(9) } == ["volume=a:", "volume=b:"])
        #expect(try fixture.manager.serving.parameters(["b", "gone"]) == Array(all.suffix(1)))
    }

    @Test("a missing nbdkit is named with its package")
    func missingTool() {
        let problem = #expect(throws: Problem.self) {
            try ServeTools(environment: ["PATH": "/nowhere"])
        }
        #expect(problem?.code == .notFound)
        #expect(problem?.hint?.contains("apt-get install nbdkit") == true)
    }

    @Test("a socket's path must fit, and only a dead server's socket is removed")
    func socket() throws {
        let fixture = try ManagerFixture()
        let long = NBDSocket(path: "/" + String(repeating: "x", count: 107))
        #expect(throws: Problem.self) { try long.makeFree() }
        let socket = NBDSocket(path: fixture.folder + "/s")
        try socket.makeFree()
        let descriptor = try socket.listen()
        var status = stat()
        #expect(stat(socket.path, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
        let problem = #expect(throws: Problem.self) { try socket.makeFree() }
        #expect(problem?.code == .locked)
        close(descriptor)
        try socket.makeFree()
        #expect(try !Paths.exists(socket.path))
        try Paths.makeFolders(fixture.folder + "/f")
        #expect(throws: Problem.self) { try NBDSocket(path: fixture.folder + "/f").makeFree() }
    }

    @Test("where none is named, inactive volumes are left out")
    func selection() throws {
        let all = ServeSelection(volumes: ["a", "b", "c"], inactive: ["b"], areNamed: false)
        #expect(try all.served() == ["a", "c"])
        let active = ServeSelection(volumes: ["a", "c"], inactive: ["b"], areNamed: true)
        #expect(try active.served() == ["a", "c"])
    }

    @Test(
        "what is not active is refused with the command that activates it",
        arguments: [
            (["a", "b"], ["b"], true, "run `snapmgr activate b`"),
            (["b"], ["b"], false, "run `snapmgr activate b`"),
            (["b", "c"], ["b", "c"], false, "run `snapmgr activate --all`"),
        ])
    func inactive(volumes: [String], inactive: [String], areNamed: Bool, hint: String) {
        let problem = #expect(throws: Problem.self) {
            try ServeSelection(volumes: volumes, inactive: inactive, areNamed: areNamed).served()
        }
        #expect(problem?.code == .refused)
        #expect(problem?.hint == hint)
    }

    @Test("without any volume there is nothing to serve")
    func noVolume() {
        let problem = #expect(throws: Problem.self) {
            try ServeSelection(volumes: [], inactive: [], areNamed: false).served()
        }
        #expect(problem?.code == .notFound)
    }

    @Test(
        "plain text is served to this machine only", arguments: ["127.0.0.1", "::1", "localhost"])
    func loopback(address: String) {
        #expect(ServeCommand.isLoopback(address))
        #expect(!ServeCommand.isLoopback("0.0.0.0"))
    }
}
