import Foundation
import Glibc
import SnapshotModel
import TestKit
import Testing

extension ServedTests {
    /// Who can reach a server, and how it fails to start.
    @Suite struct ServedAccessTests {
        @Test("the socket is its owner's only, and goes on being so after a crash")
        func socketMode() throws {
            let served = try ServedHarness()
            for _ in 0..<2 {
                let attributes = try FileManager.default.attributesOfItem(atPath: served.socket)
                #expect(attributes[.posixPermissions] as? Int == 0o600)
                served.kill()
                try served.serve()
            }
        }

        @Test("a second server for the same volume, or on the same socket, is refused")
        func secondServer() throws {
            let served = try ServedHarness()
            for socket in ["other.sock", "nbd.sock"] {
                let result = try served.commandLine.run("serve", "data", "--socket", socket)
                #expect(result.status == 11, "\(socket): \(result.errors)")
                #expect(!result.errors.isEmpty)
            }
            try served.qemu("data", "write -P 1 0 64K", "read -P 1 0 64K")
        }

        @Test("a path that is too long, or taken by a file, is named")
        func wrongSocket() throws {
            let served = try ServedHarness()
            try served.stop()
            let long = String(repeating: "x", count: 120)
            let tooLong = try served.commandLine.run("serve", "--socket", "/" + long)
            #expect(tooLong.status == 2)
            #expect(tooLong.errors.contains("107"))
            let taken = try served.commandLine.run("serve", "--socket", "data.img")
            #expect(taken.status == 1)
            #expect(taken.errors.contains("data.img"))
            #expect(try Data(contentsOf: URL(filePath: served.path("data.img"))).count == 4 << 20)
        }

        @Test("without nbdkit the error says what to install")
        func noServer() throws {
            let served = try ServedHarness()
            try served.stop()
            let binary = URL(filePath: CommandLineHarness.binary).path
            let result = try served.commandLine.tool(
                ["/bin/sh", "-c", "PATH=/nonexistent exec '\(binary)' serve"])
            #expect(result.status == 4)
            #expect(result.errors.contains("nbdkit"))
            #expect(result.errors.contains("apt-get install nbdkit"))
        }

        @Test("a missing origin or a store that is gone is named, and nothing is served")
        func missing() throws {
            let served = try ServedHarness()
            try served.stop()
            try served.succeed("mv", "data.img", "away.img")
            let origin = try served.commandLine.run("serve", "--socket", "nbd.sock")
            #expect(origin.status == 4)
            #expect(origin.errors.contains("data.img"))
            try served.succeed("mv", "away.img", "data.img")
            try served.succeed("mv", "state/stores/data", "state/stores/away")
            let store = try served.commandLine.run("serve", "--socket", "nbd.sock")
            #expect(store.status != 0)
            #expect(store.errors.contains("stores/data"))
        }

        @Test("clients with TLS are served on TCP, and clients without are not")
        func encrypted() throws {
            let served = try ServedHarness()
            try served.qemu("data", "write -P 5 0 64K")
            try served.stop()
            guard isInstalled("certtool") else {
                try Test.cancel("certtool (gnutls-bin) is not installed")
            }
            try makeCertificates(served)
            let reserved = try ReservedPort()
            defer { withExtendedLifetime(reserved) {} }
            let port = reserved.port
            let (server, files) = try served.commandLine.start([
                CommandLineHarness.binary, "serve", "data", "--listen", "127.0.0.1:\(port)",
                "--tls", ".pki/libnbd",
            ])
            defer { server.end() }
            let secure = "nbds://localhost:\(port)/data"
            try wait(for: server) { try served.tool("nbdinfo", "--size", secure) }
            #expect(try served.succeed("nbdinfo", "--size", secure) == "\(4 << 20)\n")
            try served.succeed("nbdcopy", secure, "out.img")
            #expect(
                try Data(contentsOf: URL(filePath: served.path("out.img"))).prefix(65_536)
                    == Data(repeating: 5, count: 65_536))
            let plain = try served.tool("nbdinfo", "--size", "nbd://localhost:\(port)/data")
            #expect(plain.status != 0)
            server.send(SIGTERM)
            let status = try server.wait()
            let messages = try served.commandLine.text(files.errors)
            #expect(status == 0, "\(messages)")
        }

        @Test("a socket that systemd has opened is taken over", arguments: [false, true])
        func activation(bySystemd: Bool) throws {
            let served = try ServedHarness()
            try served.qemu("data", "write -P 6 0 64K")
            try served.stop()
            unlink(served.socket)
            if bySystemd, !isInstalled("systemd-socket-activate") {
                try Test.cancel("systemd-socket-activate is not installed")
            }
            let server = bySystemd ? try startBySystemd(served) : try startAsSystemd(served)
            defer { server.end() }
            try wait(for: server) { try served.tool("nbdinfo", "--size", served.uri()) }
            try served.qemu("data", "read -P 6 0 64K", "write -P 7 0 64K")
            server.send(SIGTERM)
            #expect(try server.wait() == 0)
        }

        private func startBySystemd(_ served: ServedHarness) throws -> ChildProcess {
            // It passes few variables on.
            try served.commandLine.start([
                "systemd-socket-activate", "--listen=\(served.socket)",
                "--setenv=SNAPMGR_STATE=\(served.path("state"))", CommandLineHarness.binary,
                "serve", "data",
            ]).process
        }

        /// Does as sd_listen_fds(3) says: the socket is descriptor 3.
        private func startAsSystemd(_ served: ServedHarness) throws -> ChildProcess {
            let listener = try Listener(path: served.socket)
            return try served.commandLine.start(
                [
                    "sh", "-c",
                    "LISTEN_PID=$$ LISTEN_FDS=1 exec '\(CommandLineHarness.binary)' serve",
                ], passing: listener.descriptor
            ).process
        }

        /// Waits until a client succeeds.
        private func wait(
            for server: ChildProcess, _ client: () throws -> CommandLineHarness.Result
        ) throws {
            let deadline = Instant.now + Instant.patience
            var errors = ""
            while server.isRunning, Instant.now < deadline {
                let result = try client()
                guard result.status != 0 else { return }
                errors = result.errors
                Instant.sleep(0.05)
            }
            throw Problem(.failed, "the server does not answer: \(errors)")
        }

        /// A certificate for localhost and its authority, where libnbd looks for them.
        private func makeCertificates(_ served: ServedHarness) throws {
            let folder = served.path(".pki/libnbd")
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true)
            let authority = "cn = test\nca\ncert_signing_key\n"
            let server = "cn = localhost\ndns_name = localhost\ntls_www_server\nencryption_key\n"
            for (name, template) in [("ca", authority), ("server", server)] {
                let path = "\(folder)/\(name)"
                try Data(template.utf8).write(to: URL(filePath: path + ".info"))
                let key = try served.succeed("certtool", "--generate-privkey", "--ecc")
                try Data(key.utf8).write(to: URL(filePath: path + "-key.pem"))
            }
            try served.succeed(
                "certtool", "--generate-self-signed", "--load-privkey", "\(folder)/ca-key.pem",
                "--template", "\(folder)/ca.info", "--outfile", "\(folder)/ca-cert.pem")
            try served.succeed(
                "certtool", "--generate-certificate", "--load-privkey",
                "\(folder)/server-key.pem", "--load-ca-certificate", "\(folder)/ca-cert.pem",
                "--load-ca-privkey", "\(folder)/ca-key.pem", "--template",
                "\(folder)/server.info", "--outfile", "\(folder)/server-cert.pem")
        }
    }
}
