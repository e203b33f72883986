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
            #expect(result.status == 5)
            #expect(result.errors.contains("nbdkit"))
            #expect(result.errors.contains("apt-get install nbdkit"))
        }

        @Test("a missing origin or a store that is gone is named, and nothing is served")
        func missing() throws {
            let served = try ServedHarness()
            try served.stop()
            try served.succeed("mv", "data.img", "away.img")
            let origin = try served.commandLine.run("serve", "--socket", "nbd.sock")
            #expect(origin.status == 5)
            #expect(origin.errors.contains("data.img"))
            try served.succeed("mv", "away.img", "data.img")
            try served.succeed("mv", "state/stores/data", "state/stores/away")
            let store = try served.commandLine.run("serve", "--socket", "nbd.sock")
            #expect(store.status == 5)
            #expect(store.errors.contains("stores/data"))
        }

        @Test("daily 11: an address that is taken ends with 6")
        func cannotListen() throws {
            let served = try ServedHarness()
            try served.stop()
            let taken = try Listener()
            let port = try served.commandLine.run(
                "serve", "--listen", "127.0.0.1:\(taken.port)", "--insecure-tcp")
            #expect(port.status == 6, "\(port.errors)")
            let socket = try served.commandLine.run("serve", "--socket", "none/nbd.sock")
            #expect(socket.status == 6, "\(socket.errors)")
        }

        @Test("a device in place of the socket stays", .enabled(if: geteuid() == 0, "needs root"))
        func device() throws {
            let served = try ServedHarness()
            try served.stop()
            try served.succeed("mknod", "null", "c", "1", "3")
            let result = try served.commandLine.run("serve", "--socket", "null")
            #expect(result.status == 1)
            #expect(result.errors.contains("not a socket"), "\(result.errors)")
            try served.succeed("test", "-c", "null")
        }

        @Test("an nbdkit that cannot be run is told, and nothing of the server stays behind")
        func brokenServer() throws {
            let served = try ServedHarness()
            try served.stop()
            try makeServer(served, "\u{7F}ELF, but not really")
            let path = "\(served.folder)/bin"
            let result = try served.commandLine.run(
                ["serve", "--socket", "new.sock"], environment: ["PATH": path])
            #expect(result.status == 5, "\(result.errors)")
            #expect(result.errors.contains("\(path)/nbdkit"))
            #expect(!FileManager.default.fileExists(atPath: served.path("new.sock")))
            try served.serve()
            try served.qemu("data", "write -P 1 0 64K")
        }

        @Test("the server gets its socket as descriptor 3, and nothing of the catalog's")
        func descriptors() throws {
            let served = try ServedHarness()
            try served.stop()
            try makeServer(
                served, "#!/bin/sh\n/bin/ls -l /proc/$$/fd\necho fds=$LISTEN_FDS pid=$LISTEN_PID/$$"
            )
            let result = try served.commandLine.run(
                ["serve", "--socket", "new.sock"], environment: ["PATH": served.path("bin")])
            #expect(result.status == 0, "\(result.errors)")
            #expect(result.output.contains(" 3 -> socket:["), "\(result.output)")
            #expect(!result.output.contains("sqlite"), "\(result.output)")
            #expect(!result.output.contains(" 4 -> "), "\(result.output)")
            #expect(
                result.output.firstMatch(of: /fds=1 pid=(\d+)\/(\d+)/).map { $0.1 == $0.2 } == true)
        }

        private func makeServer(_ served: ServedHarness, _ text: String) throws {
            let folder = served.path("bin")
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true)
            try served.commandLine.write(program: text, to: folder + "/nbdkit")
        }

        @Test("what a client calls an export does not reach a terminal by the log")
        func exportName() throws {
            let served = try ServedHarness()
            #expect(throws: Problem.self) { try served.client("a\u{1B}[2Jb\nc") }
            #expect(throws: Problem.self) { try served.client("data@\u{9B}31m") }
            let messages = served.serverMessages
            #expect(messages.contains("a\\u{1B}[2Jb\\nc"), "\(messages)")
            #expect(messages.contains("\\u{9B}31m"))
            #expect(!messages.unicodeScalars.contains { $0 == "\u{1B}" || $0 == "\u{9B}" })
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
    }
}
