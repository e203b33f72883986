import Foundation
import Glibc
import SnapshotModel
import TestKit
import Testing

extension EndToEndMounts {
    /// Looks at files by mounts of the command's own, which are cut: by a kill, by a signal, or as the machine takes
    /// away what they read.
    @Suite struct CutLookTests {
        /// An XFS with two snapshots, and some MiB in one file.
        private func scene() throws -> MountScene {
            let scene = try MountScene()
            try scene.run("dd if=/dev/urandom of=source/large bs=1M count=48 status=none")
            try scene.volume("mkfs.xfs -q disk.img", megabytes: 320)
            try scene.change("echo new >files/new")
            try scene.harness.json("snapshot", "data")
            try scene.run("mkdir out")
            return scene
        }

        private static let verbs = [
            ["files", "1", "-R"], ["get", "1", "/", "--to", "out", "--force"],
            ["diff", "--files", "1", "2"], ["find", "data", "**/file*"],
        ]

        /// What is left in the state of mounts, besides what `leftovers` tells.
        private func readingFolders(_ scene: MountScene) throws -> String {
            try scene.run("ls state/mounts 2>/dev/null | grep -v '[.]log$' || true")
        }

        @Test(
            "whenever it is killed, the next look works, and nothing stays mounted or runs on",
            arguments: verbs)
        func killed(verb: [String]) throws {
            let scene = try scene()
            let binary = CommandLineHarness.binary
            let start = Instant.now
            #expect(try scene.harness.run(verb).status == 0)
            let whole = Instant.now - start
            var random = SeededGenerator(seed: UInt64(verb[0].utf8.count))
            let count = 10
            for round in 0..<count {
                let place = Double(round) + Double(random.below(100)) / 100
                let delay = whole * place / Double(count)
                let (process, _) = try scene.harness.start([binary] + verb)
                Instant.sleep(delay)
                process.send(SIGKILL)
                _ = try process.wait()
                let next = try scene.harness.run("files", "2", "/new")
                #expect(next.status == 0 && next.output.contains("/new"), "\(delay): \(next)")
                #expect(try scene.leftovers() == "", "after \(delay) s")
                #expect(try readingFolders(scene) == "", "after \(delay) s")
            }
            try scene.harness.json("delete", "1")
        }

        @Test(
            "told to end at any moment, it tidies up by itself; what it has no time for the next look does",
            arguments: verbs)
        func ended(verb: [String]) throws {
            let scene = try scene()
            let start = Instant.now
            #expect(try scene.harness.run(verb).status == 0)
            let whole = Instant.now - start
            let count = 8
            var statuses: Set<Int32> = []
            var tidied = 0
            for round in 0..<count {
                let (process, _) = try scene.harness.start([CommandLineHarness.binary] + verb)
                Instant.sleep(whole * Double(round) / Double(count))
                process.send([SIGTERM, SIGINT][round % 2])
                statuses.insert(try process.wait())
                // On a busy machine the second that it has may be over first.
                if try scene.leftovers() + readingFolders(scene) == "" { tidied += 1 }
                #expect(try scene.harness.run("files", "2", "/new").status == 0)
                #expect(try scene.leftovers() == "", "in round \(round)")
                #expect(try readingFolders(scene) == "", "in round \(round)")
            }
            #expect(tidied > 0)
            // Before it has taken the signals over, they end it as they end any program.
            #expect(statuses.isSubset(of: [0, 130, 143]), "\(statuses)")
        }

        @Test("a server that goes is told as that, and not as damage of what was read")
        func serverGone() throws {
            let scene = try scene()
            // The reader waits for whoever takes what it writes: so it is in the middle when the server goes.
            try scene.run("mkfifo pipe.out")
            let (process, files) = try scene.harness.start([
                "bash", "-c", "exec \"$0\" get 1 /large --to - >pipe.out",
                CommandLineHarness.binary,
            ])
            defer { process.end() }
            let pipe = open(scene.path("pipe.out"), O_RDONLY)
            defer { close(pipe) }
            var bytes = [UInt8](repeating: 0, count: 1 << 20)
            try #require(read(pipe, &bytes, 1000) > 0)
            try scene.kill(scene.records.first?["server"])
            // What the kernel has read ahead comes still.
            var total = 0
            while case let count = read(pipe, &bytes, bytes.count), count > 0 { total += count }
            #expect(total < 48 << 20)
            let status = try process.wait()
            let errors = try String(contentsOfFile: files.errors, encoding: .utf8)
            #expect(status == 1, "\(errors)")
            #expect(errors.contains("not the snapshot's filesystem"), "\(errors)")
            #expect(!errors.contains("damaged"), "\(errors)")
            let next = try scene.harness.run("get", "1", "/large", "--to", "out")
            #expect(next.status == 0, "\(next)")
            #expect(try scene.run("cmp source/large out/large; ls -A out") == "large\n")
            #expect(try scene.leftovers() == "")
        }

        @Test("who reads no more ends the look, quietly, and nothing stays mounted")
        func readerGone() throws {
            let scene = try scene()
            let script = "set -o pipefail; \"$0\" get 1 /large --to - | head -c 1000 | wc -c"
            let result = try scene.harness.tool([
                "bash", "-c", script, CommandLineHarness.binary,
            ])
            #expect(
                result.status == 0 && result.output == "1000\n" && result.errors == "", "\(result)")
            #expect(try scene.leftovers() == "")
            #expect(try readingFolders(scene) == "")
        }

        @Test("one server is started for all that a look mounts", arguments: ["find", "diff"])
        func kept(verb: String) throws {
            let scene = try scene()
            // A process that only waits for the server's socket to come and to go.
            let (watcher, files) = try scene.harness.start([
                "bash", "-c",
                "echo ready; while :; do until [[ -S state/mounts/data.sock ]]; do sleep 0.005; done; echo started; "
                    + "while [[ -S state/mounts/data.sock ]]; do sleep 0.005; done; done",
            ])
            defer { watcher.end() }
            func said() throws -> String {
                try String(contentsOfFile: files.output, encoding: .utf8)
            }
            let deadline = Instant.now + Instant.patience
            while try said() != "ready\n", Instant.now < deadline { Instant.sleep(0.01) }
            let words = verb == "find" ? ["find", "data", "/new"] : ["diff", "--files", "1", "2"]
            #expect(try scene.harness.run(words).status == 0)
            Instant.sleep(0.2)
            while try said() == "ready\n", Instant.now < deadline { Instant.sleep(0.01) }
            #expect(try said() == "ready\nstarted\n")
            #expect(try scene.leftovers() == "")
        }

        @Test("in a partition, a snapshot is looked at only when something was written there")
        func partition() throws {
            let scene = try MountScene()
            let table = """
                printf '\\0\\0\\0\\0\\x83\\0\\0\\0\\0\\x08\\0\\0\\0\\0\\x04\\0' |
                    dd of=disk.img bs=1 seek=446 conv=notrunc status=none
                printf '\\x55\\xaa' | dd of=disk.img bs=1 seek=510 conv=notrunc status=none
                """
            try scene.run(
                """
                truncate -s 160M disk.img; truncate -s 128M part.img; mkfs.btrfs -q part.img
                mkdir files; mount -o loop part.img files; cp -a source/. files/; umount files; rmdir files
                dd if=part.img of=disk.img bs=1M seek=1 conv=notrunc,sparse status=none
                \(table)
                """)
            try scene.harness.json("volume", "create", "data", "--origin", "disk.img")
            try scene.harness.json("snapshot", "data")
            for round in 0..<3 {
                try write(UInt8(round), at: 150 << 20, scene)
                try scene.harness.json("snapshot", "data")
            }
            try write(9, at: 100 << 20, scene)
            try scene.harness.json("snapshot", "data")
            let found = try scene.harness.run("find", "data", "/set", "--partition", "1", "--all")
            #expect(found.status == 0, "\(found)")
            let events = try scene.harness.json("events", "--limit", "1000")["events"]
            let kinds = (events as? [[String: Any]])?.compactMap { $0["kind"] as? String } ?? []
            // The first, and the one before which something was written in the partition.
            #expect(kinds.filter { $0 == "mounted" }.count == 2, "\(kinds)")
            #expect(try scene.leftovers() == "")
        }

        /// Writes a block of the volume, as a client of its server.
        private func write(_ value: UInt8, at offset: Int, _ scene: MountScene) throws {
            let socket = scene.path("write.sock")
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
            try client?.write([UInt8](repeating: value, count: 4096), at: offset)
            try client?.flush()
            client = nil
            server.send(SIGTERM)
            _ = try server.wait()
        }
    }
}
