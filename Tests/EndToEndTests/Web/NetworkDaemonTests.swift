import Foundation
import Glibc
import SnapshotModel
import TestKit
import Testing
import WebTestKit

/// The daemon and its tokens, as people use them.
@Suite(
    .serialized, .timeLimit(.minutes(10)),
    .enabled(if: CommandLineHarness.isBuilt, "needs a build"))
struct NetworkDaemonTests {
    private let scene: WebScene
    private let reserved: ReservedPort

    init() throws {
        let harness = try CommandLineHarness()
        try harness.json("volume", "create", "a", "--origin", "a.img", "--create-size", "1M")
        scene = try WebScene(harness)
        reserved = try ReservedPort()
    }

    private var harness: CommandLineHarness { scene.harness }
    private var address: String { "tcp:127.0.0.1:\(reserved.port)" }

    private func makeCertificates() throws {
        let certificates = Certificates(harness: harness)
        try certificates.makeAuthority("ca")
        try certificates.makeFolder("tls", kind: "server", authority: "ca")
        chmod(harness.folder + "/tls/server-key.pem", 0o600)
    }

    private func start() throws -> ChildProcess {
        try makeCertificates()
        return try scene.startDaemon(
            "--http", "unix", "--http", address, "--http-tls", harness.folder + "/tls")
    }

    /// What a client that verifies the certificate is answered, with its status on the first line.
    private func ask(_ path: String, _ token: String, authority: String = "ca") throws -> String {
        let program = """
            import ssl, urllib.error, urllib.request
            context = ssl.create_default_context(cafile="\(harness.folder)/\(authority)-cert.pem")
            request = urllib.request.Request(
                "https://localhost:\(reserved.port)\(path)", headers={"Authorization": "Bearer \(token)"})
            opener = urllib.request.build_opener(
                urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
            try:
                answer = opener.open(request, timeout=60)
            except urllib.error.HTTPError as error:
                answer = error
            print(answer.status)
            print(answer.read().decode())
            """
        let result = try harness.tool(["/usr/bin/python3", "-c", program])
        return result.output + result.errors
    }

    @Test("a token from the command line lets in over TLS, with its role, until it is revoked")
    func tokens() throws {
        _ = try start()
        let made = try harness.run(
            "token", "create", "anna", "--role", "snapshot", "--expires", "90d")
        #expect(made.status == 0 && made.errors.contains("shown this once"), "\(made.errors)")
        let token = made.output.trimmingCharacters(in: .whitespacesAndNewlines)
        #expect(try ask("/api/v1/volumes", token).hasPrefix("200\n"))
        #expect(try ask("/api/v1/volumes", "wrong").hasPrefix("401\n"))
        #expect(try ask("/api/v1/session", token).contains(#""role":"snapshot""#))
        let listed = try harness.run("token", "list")
        #expect(listed.output.contains("anna") && !listed.output.contains(token))
        #expect(try harness.run("token", "create", "anna", "--role", "read").status == 1)
        #expect(try harness.run("token", "create", "b", "--role", "admin").status == 2)
        #expect(
            try harness.run("token", "create", "b", "--role", "read", "--expires", "90").status == 2
        )
        #expect(try harness.run("token", "revoke", "nobody").status == 4)
        #expect(try harness.run("token", "revoke", "anna").status == 0)
        #expect(try ask("/api/v1/volumes", token).hasPrefix("401\n"))
        // The socket beside it is as it was.
        #expect(try scene.client.get("/api/v1/volumes").status == 200)
    }

    @Test("what a token's client does is told as his")
    func requester() throws {
        _ = try start()
        let token = try harness.run("token", "create", "anna", "--role", "snapshot").output
            .trimmingCharacters(in: .whitespacesAndNewlines)
        let program = """
            import ssl, urllib.request
            context = ssl.create_default_context(cafile="\(harness.folder)/ca-cert.pem")
            request = urllib.request.Request(
                "https://localhost:\(reserved.port)/api/v1/snapshots", data=b'{"volumes": ["a"], "name": "x"}',
                headers={"Authorization": "Bearer \(token)", "Content-Type": "application/json", "Prefer": "wait=30"})
            opener = urllib.request.build_opener(
                urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
            opener.open(request, timeout=60).read()
            request = urllib.request.Request(
                "https://localhost:\(reserved.port)/api/v1/snapshots/a@x/hold", data=b'{"reason": "audit"}',
                headers={"Authorization": "Bearer \(token)", "Content-Type": "application/json", "Prefer": "wait=30"})
            print(opener.open(request, timeout=60).read().decode())
            """
        let result = try harness.tool(["/usr/bin/python3", "-c", program])
        #expect(
            result.output.contains(#""owner":"token:anna""#), "\(result.output)\(result.errors)")
        let events = try harness.run("events", "--json").output
        #expect(events.contains(#""face":"web","token":"anna""#), "\(events)")
    }

    @Test("SIGHUP has the certificate read anew, and ends nothing")
    func reload() throws {
        let daemon = try start()
        let token = try harness.run("token", "create", "anna", "--role", "read").output
            .trimmingCharacters(in: .whitespacesAndNewlines)
        let certificates = Certificates(harness: harness)
        try certificates.makeAuthority("new")
        try certificates.makeFolder("other", kind: "server", authority: "new")
        for name in ["server-cert.pem", "server-key.pem"] {
            let target = "\(harness.folder)/tls/\(name)"
            try FileManager.default.removeItem(atPath: target)
            try FileManager.default.copyItem(
                atPath: "\(harness.folder)/other/\(name)", toPath: target)
            chmod(target, 0o600)
        }
        #expect(try ask("/metrics", token).hasPrefix("200\n"))
        daemon.send(SIGHUP)
        try BusScene.await("the new certificate") {
            try ask("/metrics", token, authority: "new").hasPrefix("200\n")
        }
        #expect(daemon.isRunning)
        daemon.send(SIGTERM)
        #expect(try daemon.wait(seconds: 20) == 0)
    }

    @Test("SIGHUP ends a daemon that has no certificate")
    func hangUpWithoutCertificate() throws {
        let daemon = try scene.startDaemon("--http", "unix")
        daemon.send(SIGHUP)
        #expect(try daemon.wait(seconds: 20) == 128 + SIGHUP)
    }

    @Test("the event log tells of tokens that are made and revoked, and by whom")
    func events() throws {
        #expect(try harness.run("token", "create", "anna", "--role", "read", "-n").status == 0)
        #expect(try harness.run("token", "create", "anna", "--role", "read").status == 0)
        #expect(try harness.run("token", "revoke", "anna").status == 0)
        let events = try harness.run("events", "--json").output
        #expect(events.matches(of: /"kind":"token_created"/).count == 1, "\(events)")
        #expect(events.matches(of: /"kind":"token_revoked"/).count == 1)
        #expect(events.contains("token anna was revoked"))
    }

    @Test("SIGHUP ends a command that has no use for it, as it always did")
    func hangUp() throws {
        let (process, files) = try harness.start([CommandLineHarness.binary, "events", "--follow"])
        defer { process.end() }
        // What there is is told by then, so that signals are waited for.
        try BusScene.await("the first event") { try !harness.text(files.output).isEmpty }
        process.send(SIGHUP)
        #expect(try process.wait() == 128 + SIGHUP)
    }

    @Test("TCP is served by TLS alone, unless one says so, and with a certificate that can be used")
    func refusals() throws {
        func status(_ options: String...) throws -> (Int32, String) {
            let result = try harness.run(["daemon"] + options)
            return (result.status, result.errors)
        }
        let plain = try status("--http", address)
        #expect(plain.0 == 13 && plain.1.contains("--http-tls"), "\(plain)")
        #expect(try status("--http", address, "--http-tls", "/x", "--http-insecure").0 == 2)
        #expect(try status("--http", "unix", "--http-insecure").0 == 2)
        #expect(try status("--http", address, "--http", "tcp:127.0.0.1:1").0 == 2)
        #expect(try status("--http", address, "--http-role", "read", "--http-insecure").0 == 2)
    }
}
