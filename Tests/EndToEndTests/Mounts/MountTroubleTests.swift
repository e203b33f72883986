import Foundation
import Glibc
import SnapshotModel
import TestKit
import Testing

extension EndToEndMounts {
    /// Bad input, bad luck, and what is mounted kept from being taken away.
    @Suite struct MountTroubleTests {
        private func scene() throws -> MountScene {
            let scene = try MountScene()
            try scene.volume("mke2fs -q -F -t ext4 disk.img")
            return scene
        }

        @Test(
            "what is mounted is neither deleted, pruned, reverted to nor removed; it is said where it is"
        )
        func held() throws {
            let scene = try scene()
            try scene.harness.json("snapshot", "data")
            try scene.mount("1")
            let words = [
                "snapshot 1 of volume data is mounted on \(scene.path("view"))", "snapmgr umount",
            ]
            #expect(try scene.fails(13, "delete", "1", saying: words) == nil)
            #expect(try scene.fails(13, "delete", "1", "2", saying: words) == nil)
            #expect(try scene.fails(13, "revert", "1", saying: words) == nil)
            #expect(try scene.fails(13, "volume", "remove", "data", "--yes", saying: words) == nil)
            #expect(try scene.differences() == "")
            try scene.unmount()
            try scene.harness.json("delete", "1")
        }

        @Test("a prune spares what is mounted, and says so")
        func pruned() throws {
            let scene = try scene()
            for _ in 0..<3 { try scene.harness.json("snapshot", "data") }
            try """
            [policies.one]
            last = 1
            include-manual = true
            [volumes.data]
            policy = "one"
            """.write(toFile: scene.path("config.toml"), atomically: true, encoding: .utf8)
            try scene.mount("2")
            let plan = try scene.harness.run("--config", "config.toml", "prune", "-n", "--explain")
            let words = [
                "it is mounted on \(scene.path("view"))", "snapmgr umount \(scene.path("view"))",
            ]
            for word in words {
                #expect(plan.output.contains(word), "\(plan.output) \(plan.errors)")
            }
            #expect(try scene.harness.run("--config", "config.toml", "prune").status == 0)
            let rows = try scene.harness.json("list", "data")["snapshots"] as? [[String: Any]]
            #expect(rows?.compactMap { $0["id"] as? Int }.sorted() == [2, 4])
            #expect(try scene.differences() == "")
        }

        @Test(
            "killed, the program that shows the file gives errors in its mount alone, and the tick clears it away"
        )
        func killedHelper() throws {
            let scene = try scene()
            try scene.harness.json("snapshot", "data")
            try scene.mount("1")
            try scene.mount("2", "second")
            let record = try #require(
                scene.records.first { $0["directory"] as? String == scene.path("view") })
            try scene.kill((record["helpers"] as? [Any])?.first)
            #expect(
                try scene.harness.tool(["bash", "-c", "cat view/d*/*/* > /dev/null"]).status != 0)
            #expect(try scene.differences("second") == "")
            let states = try scene.told().map { $0["state"] as? String }
            #expect(states.sorted { ($0 ?? "") < ($1 ?? "") } == ["broken", "mounted"])
            #expect(
                try scene.harness.run("status").output.contains(
                    "snapmgr umount \(scene.path("view"))"))
            let tick = try scene.harness.run("tick")
            #expect(tick.errors.contains("is not any more"), "\(tick.errors)")
            #expect(scene.records.count == 1)
            #expect(try scene.differences("second") == "")
            // It holds nothing any more.
            try scene.harness.json("delete", "1")
            try scene.unmount("second")
            #expect(try scene.leftovers() == "")
        }

        @Test(
            "killed, the server ends what was mounted from it; umount clears it away, and it can be mounted again"
        )
        func killedServer() throws {
            let scene = try scene()
            try scene.harness.json("clone", "create", "1", "trial")
            try scene.mount("trial")
            try scene.run("seq 100000 > view/numbers; sync -f view")
            try scene.kill(scene.records.first?["server"])
            #expect(try scene.told().first?["state"] as? String == "broken")
            try scene.unmount()
            #expect(try scene.leftovers() == "")
            try scene.mount("trial")
            #expect(try scene.run("wc -l < view/numbers") == "100000\n")
            try scene.unmount()
            #expect(try scene.leftovers() == "")
        }

        @Test("a server that a killed mount has left is ended, but not under somebody who uses it")
        func strayServer() throws {
            let scene = try scene()
            let socket = scene.path("state/mounts/data.sock")
            try scene.run("mkdir -p -m 700 state/mounts")
            let server = try scene.harness.start(
                [CommandLineHarness.binary, "serve", "data", "--socket", socket]
            ).process
            defer { server.end() }
            let deadline = Instant.now + Instant.patience
            var client: NBDClient?
            while client == nil, Instant.now < deadline {
                client = try? NBDClient(socket: socket, export: "data")
                Instant.sleep(0.01)
            }
            try #require(client != nil)
            #expect(try scene.harness.run("tick").status == 0)
            #expect(server.isRunning)
            client = nil
            #expect(try scene.harness.run("tick").status == 0)
            while server.isRunning, Instant.now < deadline { Instant.sleep(0.01) }
            #expect(!server.isRunning)
            #expect(try scene.leftovers() == "")
        }

        @Test(
            "what is left of a mount stays while somebody has its device open, and keeps nobody from mounting"
        )
        func stuck() throws {
            let scene = try scene()
            try scene.harness.json("snapshot", "data")
            let device = try #require(try scene.mount("1")["device"] as? String)
            // Foundation's own descriptors are inherited by programs that other tests start meanwhile.
            let holder = FileHandle(
                fileDescriptor: open(device, O_RDONLY | O_CLOEXEC), closeOnDealloc: true)
            try scene.kill((scene.records.first?["helpers"] as? [Any])?.first)
            let second = try scene.harness.run("mount", "2", try scene.folder("second"))
            #expect(second.status == 0 && second.errors.contains("stays"), "\(second.errors)")
            #expect(try scene.differences("second") == "")
            try holder.close()
            try scene.unmount()
            try scene.unmount("second")
            #expect(try scene.leftovers() == "")
        }

        @Test("who cannot look at devices takes nothing for unmounted, and ends nothing")
        func blind() throws {
            let scene = try scene()
            try scene.mount("1")
            func blindly(_ arguments: String...) throws -> CommandLineHarness.Result {
                try scene.harness.tool(
                    [
                        "unshare", "--mount", "bash", "-c",
                        "mount -t tmpfs -o nodev none /dev && exec \"$@\"", "bash",
                        CommandLineHarness.binary,
                    ] + arguments)
            }
            let refused = try blindly("umount", scene.path("view"))
            #expect(refused.status == 13, "\(refused.errors)")
            #expect(refused.errors.contains("cannot be told"), "\(refused.errors)")
            let status = try blindly("status").output
            #expect(status.contains(scene.path("view")) && !status.contains("was unmounted"))
            #expect(try blindly("tick").status == 0)
            #expect(try scene.told().first?["state"] as? String == "mounted")
            #expect(try scene.differences() == "")
            try scene.unmount()
            #expect(try scene.leftovers() == "")
        }

        @Test("what was unmounted by hand is told, and ended by the next tick")
        func byHand() throws {
            let scene = try scene()
            try scene.mount("1")
            #expect(umount(scene.path("view")) == 0)
            #expect(try scene.told().first?["state"] as? String == "unmounted")
            #expect(try scene.harness.run("tick").status == 0)
            #expect(try scene.leftovers() == "")
        }

        @Test("a mount that is in use is not unmounted, and nothing of it ends")
        func busy() throws {
            let scene = try scene()
            try scene.mount("1")
            let holder = FileHandle(
                fileDescriptor: open(scene.path("view/set"), O_RDONLY | O_CLOEXEC),
                closeOnDealloc: true)
            #expect(
                try scene.fails(
                    13, "umount", scene.path("view"), saying: ["somebody uses files", "fuser"])
                    == nil)
            try holder.close()
            #expect(try scene.differences() == "")
            try scene.unmount()
            #expect(try scene.leftovers() == "")
        }

        @Test(
            "folders that are missing, not empty, mounted on already, or none, are refused before anything begins"
        )
        func folders() throws {
            let scene = try scene()
            let view = try scene.folder("view")
            #expect(
                try scene.fails(4, "mount", "1", "nowhere", saying: ["does not exist", "mkdir"])
                    == nil)
            #expect(try scene.fails(1, "mount", "1", "disk.img", saying: ["not a folder"]) == nil)
            #expect(try scene.fails(13, "mount", "1", "source", saying: ["not empty"]) == nil)
            try scene.mount("1")
            #expect(
                try scene.fails(13, "mount", "1", view, saying: ["mounted on \(view) already"])
                    == nil)
            #expect(
                try scene.fails(4, "umount", try scene.folder("other"), saying: ["no snapshot"])
                    == nil)
            #expect(try scene.fails(4, "mount", "9", view, saying: ["no snapshot"]) == nil)
            try scene.unmount()
            #expect(
                try scene.fails(
                    13, "mount", "1", view, "--writable", saying: ["read-only", "clone create 1"])
                    == nil)
            let bare = try scene.harness.run(
                ["mount", "1", view], environment: ["PATH": "/nowhere"])
            #expect(bare.status == 5 && bare.errors.contains("libnbd-bin"), "\(bare.errors)")
            let user = try scene.harness.tool([
                "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                CommandLineHarness.binary, "mount", "1", "/tmp",
            ])
            #expect(user.status != 0)
            #expect(try scene.leftovers() == "")
        }
    }
}
