import Foundation
import SnapshotModel
import TestKit
import Testing

extension ServedTests {
    /// Reverts that take what was written to a clone, by the built binary.
    @Suite struct ServedCloneRevertTests {
        /// A volume of 4 MiB: all of it 1 in snapshot 1, then all of it 2. The clone `trial` of snapshot 1 has
        /// 7 in 1 MiB, from 512 KiB on.
        private func scene() throws -> ServedHarness {
            let served = try ServedHarness()
            try served.qemu("data", "write -P 1 0 4M")
            try served.snapshot()
            try served.qemu("data", "write -P 2 0 4M")
            try served.commandLine.json("clone", "create", "1", "trial")
            try served.qemu("trial", "write -P 7 512k 1M")
            return served
        }

        private let asCloned = ["read -P 1 0 512k", "read -P 7 512k 1M", "read -P 1 1536k 2560k"]

        private func expectCloned(_ served: ServedHarness, _ export: String) throws {
            for command in asCloned { try served.qemu(export, command) }
        }

        private func exitCode(_ served: ServedHarness, _ words: String...) throws -> Int32 {
            try served.commandLine.run(words).status
        }

        private func clones(_ served: ServedHarness) throws -> [[String: Any]] {
            try served.commandLine.json("clone", "list")["clones"] as? [[String: Any]] ?? []
        }

        @Test("a repaired clone is made the volume, and the safety snapshot undoes it")
        func madeTheVolume() throws {
            let served = try scene()
            let dry = try served.commandLine.json("revert", "1", "--with", "trial", "-n")
            #expect((dry["revert"] as? [String: Any])?["plan_bytes"] as? Int == 4 << 20)
            try served.qemu("data", "read -P 2 0 4M")
            let answer = try served.commandLine.json("revert", "1", "--with", "trial", "--yes")
            let revert = try #require(answer["revert"] as? [String: Any])
            #expect(revert["clone"] as? String == "trial")
            let safety = try #require(revert["safety_snapshot_id"] as? Int)
            try expectCloned(served, "data")
            try expectCloned(served, "trial")
            try served.awaitMerges()
            try served.qemu("trial", "write -P 9 0 4M")
            try expectCloned(served, "data")
            try served.qemu("data@1", "read -P 1 0 4M")
            try served.qemu("data@\(safety)", "read -P 2 0 4M")
            try served.commandLine.json("revert", "\(safety)", "--yes", "--wait")
            try served.qemu("data", "read -P 2 0 4M")
            try served.qemu("trial", "read -P 9 0 4M")
            try served.stop()
            #expect(try served.commandLine.json("check", "--data")["damaged"] as? Int == 0)
        }

        @Test("a clone that a client writes to is refused without --force, and goes on after it")
        func clients() throws {
            let served = try scene()
            let client = try served.client("trial")
            let refused = try served.commandLine.run("revert", "1", "--with", "trial", "--yes")
            #expect(refused.status == 13)
            #expect(refused.errors.contains("trial"))
            try client.write([UInt8](repeating: 7, count: 512), at: 512 << 10)
            #expect(try exitCode(served, "revert", "1", "--with", "trial", "--yes", "--force") == 0)
            try served.awaitMerges()
            try client.write([UInt8](repeating: 9, count: 512), at: 0)
            try expectCloned(served, "data")
        }

        @Test("while a merge is paused its clone is read alone, and nobody deletes it")
        func paused() throws {
            let served = try scene()
            try served.stop()
            try served.commandLine.json("revert", "1", "--with", "trial", "--yes", "--no-wait")
            #expect(try exitCode(served, "merge", "pause", "data") == 0)
            try served.serve()
            #expect(try clones(served).first?["state"] as? String == "merging")
            for command in asCloned {
                let read = try served.tool(
                    "qemu-io", "-r", "-f", "raw", "-c", command, served.uri("trial"))
                #expect(read.status == 0, "\(read.output) \(read.errors)")
            }
            let written = try served.tool(
                "qemu-io", "-f", "raw", "-c", "write -P 9 0 4k", served.uri("trial"))
            #expect(written.status != 0 || written.output.contains("failed"))
            try expectCloned(served, "data")
            #expect(try exitCode(served, "clone", "delete", "trial") == 13)
            #expect(try exitCode(served, "delete", "1") == 13)
            try served.commandLine.json("merge", "resume", "data")
            try served.awaitMerges()
            #expect(try clones(served).first?["state"] as? String == "ready")
            try served.qemu("trial", "write -P 9 0 4k")
            try expectCloned(served, "data")
        }

        @Test("with --end-clone the clone is over when the merge is", arguments: [true, false])
        func ends(isServed: Bool) throws {
            let served = try scene()
            if !isServed { try served.stop() }
            try served.commandLine.json(
                "revert", "1", "--with", "data@trial", "--end-clone", "--wait", "--yes")
            #expect(try clones(served).isEmpty)
            #expect(try served.commandLine.json("check")["damaged"] as? Int == 0)
            if !isServed { try served.serve() }
            try expectCloned(served, "data")
            try served.commandLine.json("delete", "1")
            try served.commandLine.json("clone", "create", "2", "trial")
        }

        @Test("what cannot be is refused in words")
        func refusals() throws {
            let served = try scene()
            try served.snapshot()
            let other = try served.commandLine.run("revert", "2", "--with", "trial", "--yes")
            #expect(other.status == 13)
            #expect(other.errors.contains("snapmgr revert 1 --with trial"))
            #expect(try exitCode(served, "revert", "1", "--with", "none", "--yes") == 4)
            #expect(try exitCode(served, "revert", "1", "--end-clone", "--yes") == 2)
            let lazy = try served.commandLine.run(
                "revert", "1", "--with", "trial", "--lazy-on-close", "--yes")
            #expect(lazy.status == 2)
            try served.qemu("data", "read -P 2 0 4M")
            try served.qemu("trial", "write -P 7 512k 4k")
        }
    }
}
