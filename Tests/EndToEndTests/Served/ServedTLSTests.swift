import Foundation
import Glibc
import SnapshotModel
import TestKit
import Testing

extension ServedTests {
    /// Who can read and write over TCP. Where the tests run as root, the clients are another user's.
    @Suite(.enabled(if: isInstalled("certtool"), "certtool (gnutls-bin) is not installed"))
    struct ServedTLSTests {
        /// A volume of zeroes that nobody serves, a file to write, and certificates.
        private func harness() throws -> ServedHarness {
            let served = try ServedHarness()
            try served.stop()
            chmod(served.folder, 0o755)
            try Data(repeating: 0x77, count: 4 << 20)
                .write(to: URL(filePath: served.path("new.img")))
            chmod(served.path("new.img"), 0o644)
            let certificates = Certificates(harness: served.commandLine)
            try certificates.makeAuthority("ours")
            try certificates.makeAuthority("theirs")
            try certificates.makeFolder("tls", kind: "server", authority: "ours")
            try certificates.makeFolder("right", kind: "client", authority: "ours")
            try certificates.makeFolder("none", kind: nil, authority: "ours")
            try certificates.makeFolder(
                "wrong", kind: "client", authority: "ours", signer: "theirs")
            return served
        }

        @Test("C3: only a client with a certificate of the server's authority reads and writes")
        func verified() throws {
            let served = try harness()
            let server = try TCPServer(served, ["--tls", "tls"])
            for certificates in ["none", "wrong", nil] {
                let (read, write) = try (
                    server.read(certificates), server.write("new.img", certificates)
                )
                #expect(read.status != 0, "\(certificates ?? "plain"): \(read.output)")
                #expect(write.status != 0, "\(certificates ?? "plain")")
            }
            #expect(try isFilled(served, 0))
            let read = try server.read("right")
            #expect(read.output == "\(4 << 20)\n", "\(read.errors)")
            let write = try server.write("new.img", "right")
            #expect(write.status == 0, "\(write.errors)")
            try server.stop()
            #expect(try isFilled(served, 0x77))
        }

        @Test("C3: a client whose certificate was revoked is not served")
        func revoked() throws {
            let served = try harness()
            let before = try TCPServer(served, ["--tls", "tls"])
            #expect(try before.read("right").status == 0)
            try before.stop()
            try Certificates(harness: served.commandLine)
                .revoke("right/client-cert.pem", by: "ours", in: "tls")
            let server = try TCPServer(served, ["--tls", "tls"])
            #expect(try server.write("new.img", "right").status != 0)
            try server.stop()
            #expect(try isFilled(served, 0))
        }

        @Test("C3: without a CA nothing is served, and words say so")
        func missingAuthority() throws {
            let served = try harness()
            unlink(served.path("tls/ca-cert.pem"))
            for option in [[], ["--tls-anonymous"]] {
                let result = try served.commandLine.run(
                    ["serve", "data", "--listen", "127.0.0.1:1", "--tls", "tls"] + option)
                #expect(result.status == 5)
                #expect(result.errors.contains("tls holds no ca-cert.pem"), "\(result.errors)")
            }
        }

        @Test("C3: --tls-anonymous encrypts, and serves who has no certificate")
        func anonymous() throws {
            let served = try harness()
            let server = try TCPServer(served, ["--tls", "tls", "--tls-anonymous"])
            #expect(try server.write("new.img", nil).status != 0)
            #expect(try isFilled(served, 0))
            let write = try server.write("new.img", "none")
            #expect(write.status == 0, "\(write.errors)")
            try server.stop()
            #expect(try isFilled(served, 0x77))
            let alone = try served.commandLine.run("serve", "--tls-anonymous")
            #expect(alone.status == 2)
        }

        @Test("M8: another user cannot write over loopback TCP, nor through the socket")
        func loopback() throws {
            let served = try harness()
            for address in ["127.0.0.1:10809", "[::1]", "localhost"] {
                let result = try served.commandLine.run("serve", "data", "--listen", address)
                #expect(result.status == 13, "\(address)")
                #expect(result.errors.contains("--insecure-tcp"), "\(result.errors)")
            }
            try served.serve()
            guard geteuid() == 0 else { return }
            let uri = "nbd+unix:///data?socket=\(served.socket)"
            let result = try served.commandLine.tool(
                TCPServer.stranger + ["nbdcopy", served.path("new.img"), uri])
            #expect(result.status != 0)
            #expect(try isFilled(served, 0))
            #expect(try served.client().read(0..<1) == [0], "the server has gone")
        }

        @Test("M8: --insecure-tcp serves everybody, as it says")
        func insecure() throws {
            let served = try harness()
            let server = try TCPServer(served, ["--insecure-tcp"])
            #expect(try server.write("new.img", nil).status == 0)
            try server.stop()
            #expect(try isFilled(served, 0x77))
            let both = try served.commandLine.run("serve", "--insecure-tcp", "--tls", "tls")
            #expect(both.status == 2)
        }

        @Test("M8: a TCP socket that systemd has opened needs TLS, too")
        func inherited() throws {
            let served = try harness()
            let listener = try Listener()
            let command = "LISTEN_PID=$$ LISTEN_FDS=1 exec '\(CommandLineHarness.binary)' serve"
            let (server, files) = try served.commandLine.start(
                ["sh", "-c", command], passing: listener.descriptor)
            #expect(try server.wait() == 13)
            #expect(try served.commandLine.text(files.errors).contains("--tls DIR"))
        }

        private func isFilled(_ served: ServedHarness, _ byte: UInt8) throws -> Bool {
            try Data(contentsOf: URL(filePath: served.path("data.img"))).allSatisfy { $0 == byte }
        }
    }
}

/// A server on a port of the loopback interface.
private struct TCPServer {
    private let served: ServedHarness
    private let process: ChildProcess
    private let files: ChildProcess.Files
    private let reserved: ReservedPort

    /// Runs a program as another user, where this one may.
    static var stranger: [String] {
        guard geteuid() == 0 else { return [] }
        return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    }

    /// Serves on a port that was free, and waits until it does.
    init(_ served: ServedHarness, _ options: [String]) throws {
        self.served = served
        reserved = try ReservedPort()
        let listen = ["--listen", "127.0.0.1:\(reserved.port)"]
        (process, files) = try served.commandLine.start(
            [CommandLineHarness.binary, "serve", "data"] + listen + options)
        let deadline = Instant.now + Instant.patience
        while process.isRunning, Instant.now < deadline {
            if Self.isOpen(reserved.port) { return }
            Instant.sleep(0.02)
        }
        process.end()
        throw Problem(
            .failed, "no server on \(reserved.port): \(try served.commandLine.text(files.errors))")
    }

    /// - Parameter certificates: the folder with the client's; nil is without TLS.
    func read(_ certificates: String?) throws -> CommandLineHarness.Result {
        try served.commandLine.tool(
            Self.stranger + ["nbdinfo", "--size", uri(certificates)])
    }

    func write(
        _ file: String, _ certificates: String?
    ) throws -> CommandLineHarness.Result {
        try served.commandLine.tool(
            Self.stranger + ["nbdcopy", "--flush", served.path(file), uri(certificates)])
    }

    func stop() throws {
        process.send(SIGTERM)
        let status = try process.wait()
        guard status == 0 else {
            throw Problem(.failed, "\(status): \(try served.commandLine.text(files.errors))")
        }
    }

    private func uri(_ certificates: String?) -> String {
        let place = "localhost:\(reserved.port)/data"
        guard let certificates else { return "nbd://" + place }
        return "nbds://\(place)?tls-certificates=\(served.path(certificates))"
    }

    private static func isOpen(_ port: Int) -> Bool {
        let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer { close(client) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        address.sin_port = UInt16(port).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(client, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
