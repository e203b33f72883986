import Foundation
import SnapshotModel
import TestKit
import Testing

extension ServedTests {
    /// Clones over NBD, by the built binary.
    @Suite struct ServedCloneTests {
        /// A volume of 4 MiB, all of it 1, with snapshot 1 and then all of it 2.
        private func scene(_ options: String..., storeMegabytes: Int? = nil) throws -> ServedHarness
        {
            let served = try ServedHarness(options: options, storeMegabytes: storeMegabytes)
            try served.qemu("data", "write -P 1 0 4M")
            try served.snapshot()
            try served.qemu("data", "write -P 2 0 4M")
            return served
        }

        private func exitCode(_ served: ServedHarness, _ words: String...) throws -> Int32 {
            try served.commandLine.run(words).status
        }

        @Test("a new clone is served at once by its name, and keeps what is written to it")
        func servedAtOnce() throws {
            let served = try scene()
            let made = try served.commandLine.json("clone", "create", "1", "trial")
            let clone = try #require(made["clone"] as? [String: Any])
            #expect(clone["name"] as? String == "trial")
            #expect(clone["snapshot_id"] as? Int == 1)
            #expect(clone["size"] as? Int == 4 << 20)
            try served.qemu("trial", "read -P 1 0 4M", "write -P 7 4k 100k", "read -P 7 4k 100k")
            try served.qemu(
                "data@trial", "read -P 1 0 4k", "read -P 7 4k 100k", "read -P 1 104k 1M")
            try served.qemu("data", "read -P 2 0 4M")
            try served.qemu("data@1", "read -P 1 0 4M")
            try served.stop()
            try served.serve()
            try served.qemu(
                "trial", "read -P 1 0 4k", "read -P 7 4k 100k", "write -z 0 1M", "read -P 0 0 1M",
                "read -P 1 1M 3M")
            let list = try served.commandLine.json("clone", "list")["clones"] as? [[String: Any]]
            #expect(list?.count == 1)
            #expect((list?.first?["store_bytes"] as? Int ?? 0) > 0)
            let shown = try served.commandLine.json("show", "1")["snapshot"] as? [String: Any]
            #expect(shown?["clones"] as? [String] == ["trial"])
            let export = try served.commandLine.tool(["nbdinfo", "--list", served.uri("")])
            #expect(export.output.contains("trial"))
            try served.stop()
            #expect(try served.commandLine.json("check", "--data")["damaged"] as? Int == 0)
        }

        @Test("a copy of a clone by nbdcopy is what was written to it")
        func copies() throws {
            let served = try scene()
            try served.commandLine.json("clone", "create", "data@1", "trial")
            try served.qemu("trial", "write -P 9 1M 64k")
            let copied = try served.commandLine.tool(["nbdcopy", served.uri("trial"), "copy.img"])
            #expect(copied.status == 0, "\(copied.errors)")
            let bytes = try Data(contentsOf: URL(filePath: served.path("copy.img")))
            #expect(bytes.count == 4 << 20)
            #expect(bytes[..<(1 << 20)].allSatisfy { $0 == 1 })
            #expect(bytes[(1 << 20)..<(1 << 20 + 65_536)].allSatisfy { $0 == 9 })
            #expect(bytes[(1 << 20 + 65_536)...].allSatisfy { $0 == 1 })
        }

        @Test("a snapshot with a clone goes by no way before the clone, nor does the volume")
        func pins() throws {
            let served = try scene()
            try served.commandLine.json("clone", "create", "1", "trial")
            let refused = try served.commandLine.run("delete", "1")
            #expect(refused.status == 13)
            #expect(refused.errors.contains("snapmgr clone delete trial"))
            #expect(try exitCode(served, "delete", "1", "-n") == 13)
            let client = try served.client("trial")
            let open = try served.commandLine.run("clone", "delete", "trial")
            #expect(open.status == 13)
            #expect(open.errors.contains("open"))
            withExtendedLifetime(client) {}
            try served.stop()
            let removal = try served.commandLine.run("volume", "remove", "data", "--yes")
            #expect(removal.status == 13)
            #expect(removal.errors.contains("snapmgr clone delete trial"))
            let dry = try served.commandLine.json("clone", "delete", "trial", "-n")
            #expect(dry["dry_run"] as? Bool == true)
            try served.commandLine.json("clone", "delete", "data@trial")
            try served.commandLine.json("delete", "1")
            #expect(try exitCode(served, "clone", "delete", "trial") == 4)
        }

        @Test("names are refused that are a volume's, a snapshot's or a clone's, and back")
        func names() throws {
            let served = try scene()
            try served.commandLine.json("snapshot", "data", "--name", "before")
            for name in ["data", "before", "latest", "12", "a@b"] {
                #expect(try exitCode(served, "clone", "create", "1", name) != 0, "\(name)")
            }
            try served.commandLine.json("clone", "create", "1", "trial")
            #expect(try exitCode(served, "clone", "create", "2", "trial") == 1)
            #expect(try exitCode(served, "snapshot", "data", "--name", "trial") == 1)
            let volume = try served.commandLine.run(
                "volume", "create", "trial", "--origin", "trial.img", "--create-size", "1M")
            #expect(volume.status == 1)
            #expect(try exitCode(served, "clone", "create", "trial", "data") == 1)
            #expect(try exitCode(served, "snapshot", "trial") == 13)
        }

        @Test(
            "what was answered is there after the server was killed, and flushed or not the rest is whole"
        )
        func kills() throws {
            let served = try scene()
            try served.commandLine.json("clone", "create", "1", "trial")
            for round in 1..<9 {
                let done = Background { isWanted in
                    guard let client = try? served.client("trial") else { return 0 }
                    var count = 0
                    while isWanted(), count < 8 * 64 {
                        let bytes = [UInt8](repeating: UInt8(round * 10), count: 512)
                        do { try client.write(bytes, at: count * 8192) } catch { break }
                        count += 1
                    }
                    return count
                }
                Instant.sleep(0.01 * Double(round))
                served.kill()
                let count = try done.stop()
                try served.serve()
                let content = try served.content("trial")
                for cell in 0..<512 {
                    let bytes = content[cell * 8192..<cell * 8192 + 512]
                    if cell < count {
                        #expect(bytes.allSatisfy { $0 == UInt8(round * 10) }, "cell \(cell)")
                    }
                    #expect(content[cell * 8192 + 512..<(cell + 1) * 8192].allSatisfy { $0 == 1 })
                }
            }
            try served.qemu("data", "read -P 2 0 4M")
            try served.stop()
            #expect(try served.commandLine.json("check", "--data")["damaged"] as? Int == 0)
        }

        @Test("a catalog made anew knows the clones, and a command that was cut is finished")
        func rebuild() throws {
            let served = try scene()
            try served.commandLine.json("clone", "create", "1", "trial")
            try served.stop()
            for suffix in ["", "-wal", "-shm"] {
                unlink(served.path("state/catalog.sqlite" + suffix))
            }
            #expect(try exitCode(served, "catalog", "rebuild") == 0)
            let list = try served.commandLine.json("clone", "list")["clones"] as? [[String: Any]]
            #expect(list?.first?["name"] as? String == "trial")
            #expect(try exitCode(served, "delete", "1") == 13)
        }

        @Test(
            "a full store refuses a clone's write, and breaks nothing",
            .enabled(if: SmallFilesystem.isPossible, "only root can mount a small filesystem"))
        func fullStore() throws {
            let served = try ServedHarness(
                size: "8M", options: ["--when-full", "break-snapshots"], storeMegabytes: 4)
            try served.qemu("data", "write -P 1 0 8M")
            try served.snapshot()
            try served.commandLine.json("clone", "create", "1", "trial")
            let client = try served.client("trial")
            let bytes = [UInt8](repeating: 4, count: 65_536)
            var (count, refusal): (Int, UInt32?) = (0, nil)
            while count < 128, refusal == nil {
                do {
                    try client.write(bytes, at: count * bytes.count)
                    count += 1
                } catch let problem as NBDClient.Refusal { refusal = problem.code }
            }
            #expect(refusal == UInt32(ENOSPC))
            #expect(count > 0 && count < 128)
            try served.qemu("data@1", "read -P 1 0 8M")
            try served.qemu("data", "read -P 1 0 8M")
            try served.qemu(
                "trial", "read -P 4 0 \(count * 65_536)",
                "read -P 1 \(count * 65_536) \(8 << 20 - count * 65_536)")
        }
    }
}
