import System
import DeviceDriver
import Foundation
import Glibc
import Settings
import SnapshotModel
import Testing

@testable import Manager
import VolumeAccess

@Suite struct ServeTests {
    static let tools = ServeTools(nbdkitPath: "/usr/bin/nbdkit", pluginPath: "/lib/plugin.so")

    static let commands: [(ServeRequest, [String])] = [
        (
            ServeRequest(volumes: [], endpoint: .socket(path: "/run/s")),
            ["nbdkit", "--foreground", "/lib/plugin.so", "volume=a:/stores/a"]
        ),
        (
            ServeRequest(
                volumes: [], endpoint: .listen(address: "10.0.0.1", port: 10_809),
                tls: .init(path: "/tls"), threadCount: 4),
            [
                "nbdkit", "--foreground", "--tls=require", "--tls-certificates=/tls",
                "--tls-verify-peer", "--threads", "4", "/lib/plugin.so", "volume=a:/stores/a",
            ]
        ),
        (
            ServeRequest(
                volumes: [], endpoint: .listen(address: "::1", port: 10_809),
                tls: .init(path: "/tls", verifiesClients: false)),
            [
                "nbdkit", "--foreground", "--tls=require", "--tls-certificates=/tls",
                "/lib/plugin.so", "volume=a:/stores/a",
            ]
        ),
        (
            ServeRequest(volumes: [], endpoint: .inherited),
            ["nbdkit", "--foreground", "/lib/plugin.so", "volume=a:/stores/a"]
        ),
    ]

    @Test("nbdkit is called as it should", arguments: commands)
    func command(request: ServeRequest, arguments: [String]) {
        let command = ServeCommand(request, Self.tools, volumes: [Self.volume])
        #expect(command.executable == "/usr/bin/nbdkit")
        #expect(command.arguments == arguments)
    }

    private static let volume = ServedParameters(name: "a", storePath: "/stores/a", writeBack: .off)

    @Test("the plugin is told of a volume's log of first writes, and reads what it is told")
    func logOfFirstWrites() throws {
        var volume = Self.volume
        volume.writeBack = .log(bytes: 1 << 26)
        #expect(volume.lines == ["write-back=a:67108864", "volume=a:/stores/a"])
        #expect(try LogArgument.listed(volume.lines) == ["a": 1 << 26])
        for text in ["a", "a:", "a:x", "a:64", "a:off", "a/b:67108864", "a:1:67108864"] {
            #expect(throws: Problem.self, "\(text)") { try LogArgument(text) }
        }
    }

    @Test("the settings say how first writes are answered, and the command line before them")
    func writeBack() throws {
        var settings = Settings(defaults: SettingsDefaults())
        settings.defaults.writeBack = .log(bytes: 1 << 20)
        settings.volumes["b"] = VolumeSettings(
            name: "b", schedules: [], policy: nil, safetyPolicy: .builtInSafety, hooks: [],
            freeSpaceFloor: .bytes(0), writeBack: .off)
        let fixture = try ManagerFixture()
        for name in ["a", "b"] { try fixture.makeVolume(name) }
        var options = fixture.options
        options.operation.settings = SettingsSource { [settings] in settings }
        let manager = try Manager(options)
        func logs(_ writeBack: WriteBack?) throws -> [String: Int] {
            try LogArgument.listed(manager.serving.parameters([], writeBack: writeBack))
        }
        #expect(try logs(nil) == ["a": 1 << 20])
        #expect(try logs(.off) == [:])
        #expect(try logs(.log(bytes: 1 << 21)) == ["a": 1 << 21, "b": 1 << 21])
    }

    @Test("settings that cannot be read keep no volume from being served, without a log")
    func unreadableSettings() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        var options = fixture.options
        options.operation.settings = SettingsSource {
            throw Problem(.usage, "f.toml:1:1: nonsense")
        }
        let lines = try Manager(options).serving.parameters([])
        #expect(lines.map { $0.prefix(9) } == ["volume=a:"])
        #expect(fixture.notes.all.contains { $0.contains("nonsense") })
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
        #expect(problem?.code == .missing)
        #expect(problem?.hint?.description.contains("apt-get install nbdkit") == true)
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

    /// As the driver under device-mapper tells them.
    private static func reasons(_ volumes: [String]) -> [String: Problem] {
        volumes.reduce(into: [:]) { reasons, name in
            reasons[name] = DeviceVolumeDriver(purpose: "test").devices?.inactiveProblem(name)
        }
    }

    @Test("where none is named, inactive volumes are left out")
    func selection() throws {
        let all = ServeSelection(
            volumes: ["a", "b", "c"], inactive: Self.reasons(["b"]), areNamed: false)
        #expect(try all.served() == ["a", "c"])
        let active = ServeSelection(
            volumes: ["a", "c"], inactive: Self.reasons(["b"]), areNamed: true)
        #expect(try active.served() == ["a", "c"])
    }

    @Test(
        "what is not active is refused with the command that activates it",
        arguments: [
            (["a", "b"], ["b"], true, Remedy.activate("b")),
            (["b"], ["b"], false, .activate("b")),
            (["b", "c"], ["b", "c"], false, .activateAll),
        ])
    func inactive(volumes: [String], inactive: [String], areNamed: Bool, remedy: Remedy) {
        let problem = #expect(throws: Problem.self) {
            try ServeSelection(
                volumes: volumes, inactive: Self.reasons(inactive), areNamed: areNamed
            ).served()
        }
        #expect(problem?.code == .refused)
        #expect(problem?.hint == "run \(remedy)")
    }

    @Test("without any volume there is nothing to serve")
    func noVolume() {
        let problem = #expect(throws: Problem.self) {
            try ServeSelection(volumes: [], inactive: [:], areNamed: false).served()
        }
        #expect(problem?.code == .notFound)
    }

    @Test(
        "M8, L1: TCP without TLS is refused, also to this machine alone",
        arguments: [
            "127.0.0.1", "::1", "localhost", "0.0.0.0", "127.evil.example", "127.0.0.1.example",
        ])
    func plainTCP(address: String) throws {
        var request = ServeRequest(volumes: [], endpoint: .listen(address: address, port: 10_809))
        let problem = #expect(throws: Problem.self) {
            try ServeSafety(request, environment: [:]).check()
        }
        #expect(problem?.code == .refused)
        #expect(problem?.message.contains(address) == true)
        #expect(problem?.hint?.description.contains("--insecure-tcp") == true)
        request.allowsInsecureTCP = true
        try ServeSafety(request, environment: [:]).check()
    }

    @Test("C3: a certificate that is not there, or none, is named before anything is served")
    func certificates() throws {
        let fixture = try ManagerFixture()
        let request = ServeRequest(
            volumes: [], endpoint: .listen(address: "::", port: 1),
            tls: .init(path: fixture.folder))
        func problem() -> Problem? {
            #expect(throws: Problem.self) { try ServeSafety(request, environment: [:]).check() }
        }
        func write(_ name: String, _ text: String) throws {
            try Data(text.utf8).write(to: URL(filePath: "\(fixture.folder)/\(name)"))
        }
        let certificate = "-----BEGIN CERTIFICATE-----\n"
        for (name, text) in [
            ("ca-cert.pem", certificate), ("server-cert.pem", certificate),
            ("server-key.pem", "-----BEGIN PRIVATE KEY-----\n"),
        ] {
            #expect(problem()?.code == .missing)
            #expect(problem()?.message.contains(name) == true)
            try write(name, "empty\n")
            #expect(problem()?.code == .failed)
            #expect(problem()?.message.contains(name) == true)
            try write(name, text)
        }
        try ServeSafety(request, environment: [:]).check()
        // A list of what was revoked that cannot be read is not taken for none.
        try write("ca-crl.pem", "")
        #expect(problem()?.code == .failed)
    }

    @Test("C3: a network socket that systemd has opened needs TLS, too")
    func inherited() throws {
        let (local, network) = (
            Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0),
            Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        )
        defer {
            close(local)
            close(network)
        }
        #expect(try ListeningSocket.isUnix(local))
        #expect(try !ListeningSocket.isUnix(network))
    }

    @Test(
        "R1: what is not a socket stays where it is",
        arguments: ["file", "folder", "link", "device"])
    func notSocket(kind: String) throws {
        let fixture = try ManagerFixture()
        let path = fixture.folder + "/" + kind
        switch kind {
        case "file": try Data("x".utf8).write(to: URL(filePath: path))
        case "folder": try Paths.makeFolders(path)
        case "link": symlink("/dev/null", path)
        // What stands for a device: only root can make one.
        default: mkfifo(path, 0o600)
        }
        let problem = #expect(throws: Problem.self) { try NBDSocket(path: path).makeFree() }
        #expect(problem?.code == .exists)
        var status = stat()
        #expect(lstat(path, &status) == 0)
    }

    @Test("a socket that cannot be made says so by its code")
    func cannotListen() throws {
        let fixture = try ManagerFixture()
        let problem = #expect(throws: Problem.self) {
            try NBDSocket(path: fixture.folder + "/none/s").listen()
        }
        #expect(problem?.code == .cannotListen)
    }
}
