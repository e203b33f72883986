import Foundation
import Glibc
import SnapshotModel
import TestKit
import Testing

extension EndToEndMounts {
    /// "Previous versions", by Samba's own server and client.
    @Suite(.enabled(if: SambaServer.isPossible, "smbd, smbclient and shadow_copy2"))
    struct SambaTests {
        @Test(
            "the versions of a file are listed, and each is had as it was, by the example's settings"
        )
        func versions() throws {
            let scene = try MountScene()
            try scene.volume("mke2fs -q -F -t ext4 disk.img")
            for version in 1...3 {
                try scene.change("printf 'version \(version)' >files/set")
                Thread.sleep(forTimeInterval: 1.1)
                try scene.harness.json("snapshot", "data")
            }
            try scene.change("printf 'as it is now' >files/set")
            let all = try scene.folder("all")
            #expect(
                try scene.harness.run("mount", "--all", "data", all, "--names", "gmt").status == 0)
            try scene.run("mkdir live; mount -o loop,ro disk.img live; chmod 755 .")
            defer { _ = try? scene.run("umount live") }
            let samba = try SambaServer(scene, sharing: scene.path("live"), snapshots: all)
            defer { samba.end() }
            let labels = Self.labels(try samba.client("allinfo set"))
            let folders = try scene.run("ls all").split(separator: "\n").map(String.init)
            #expect(labels == folders && labels.count == 4, "\(labels) \(folders)")
            let contents = ["x", "version 1", "version 2", "version 3"]
            for (content, label) in zip(contents, labels) {
                _ = try samba.client("get \"\(label)\\set\" got")
                #expect(try scene.run("cat got; rm got") == content)
            }
            _ = try samba.client("get set got")
            #expect(try scene.run("cat got") == "as it is now")
            // A new one is there without a word to Samba.
            try scene.harness.json("snapshot", "data")
            let deadline = Instant.now + Instant.patience
            while Self.labels(try samba.client("allinfo set")).count != labels.count + 1 {
                try #require(Instant.now < deadline, "a new version does not come")
                Instant.sleep(0.2)
            }
            samba.end()
            try scene.run("umount live")
            try scene.unmount("all")
            #expect(try scene.leftovers() == "")
        }

        /// The versions that the client tells, the oldest first.
        private static func labels(_ info: String) -> [String] {
            info.split(separator: "\n").map(String.init).filter { $0.hasPrefix("@GMT-") }.sorted()
        }
    }
}

/// A server of Samba's, with a folder of its own, that gives a share to guests on loopback.
final class SambaServer {
    private let scene: MountScene
    private let reserved: ReservedPort
    private var process: ChildProcess?

    static let isPossible: Bool = {
        let programs = ["/usr/sbin/smbd", "/usr/bin/smbclient"]
        return programs.allSatisfy { access($0, X_OK) == 0 }
            && FileManager.default.fileExists(
                atPath: "/usr/lib/x86_64-linux-gnu/samba/vfs/shadow_copy2.so")
    }()

    /// - Parameters:
    ///   - folder: what is shared.
    ///   - snapshots: where the mount of all snapshots is.
    init(_ scene: MountScene, sharing folder: String, snapshots: String) throws {
        self.scene = scene
        reserved = try ReservedPort()
        try scene.run(
            "mkdir -p samba/private samba/lock samba/state samba/cache samba/run samba/ncalrpc")
        let share = try Self.example()
            .replacingOccurrences(of: "/srv/snapshots", with: snapshots)
            .replacingOccurrences(of: "/srv/data", with: folder)
        let own = scene.path("samba")
        let global = """
            [global]
            interfaces = 127.0.0.1
            bind interfaces only = yes
            smb ports = \(reserved.port)
            map to guest = Bad User
            guest account = nobody
            private dir = \(own)/private
            lock directory = \(own)/lock
            state directory = \(own)/state
            cache directory = \(own)/cache
            pid directory = \(own)/run
            ncalrpc dir = \(own)/ncalrpc
            log file = \(own)/log
            disable spoolss = yes
            load printers = no

            """
        try (global + share + "\nguest ok = yes\n")
            .write(toFile: "\(own)/smb.conf", atomically: true, encoding: .utf8)
        // When it ends, it ends its process group: that must not be the tests'.
        process = try scene.harness.start(
            [
                "setsid", "/usr/sbin/smbd", "-F", "--no-process-group", "-s", "\(own)/smb.conf",
            ]
        ).process
        let deadline = Instant.now + Instant.patience
        while try scene.harness.tool(command("ls")).status != 0 {
            guard Instant.now < deadline else {
                throw Problem(.failed, try scene.run("cat samba/log* | tail -20"))
            }
            Instant.sleep(0.2)
        }
    }

    deinit { end() }

    /// The shares of the example that is shipped.
    private static func example() throws -> String {
        let package = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        return try String(
            contentsOf: package.appending(path: "Config/samba/previous-versions.conf"),
            encoding: .utf8)
    }

    private func command(_ text: String) -> [String] {
        [
            "/usr/bin/smbclient", "-N", "-s", scene.path("samba/smb.conf"), "-p",
            "\(reserved.port)",
            "//127.0.0.1/data", "-c", text,
        ]
    }

    /// What the client says on both of its outputs.
    func client(_ text: String) throws -> String {
        let result = try scene.harness.tool(command(text))
        guard result.status == 0 else {
            throw Problem(.failed, "\(text): \(result.output) \(result.errors)")
        }
        return result.output + result.errors
    }

    func end() {
        guard let process else { return }
        self.process = nil
        process.send(SIGTERM)
        _ = try? process.wait()
    }
}
