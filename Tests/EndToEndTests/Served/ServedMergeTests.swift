import Foundation
import SnapshotModel
import Testing

extension ServedTests {
    /// Reverts of a served volume while the merge is under way.
    @Suite struct ServedMergeTests {
        /// A volume with 1 in 48 MiB at snapshot 1, 2 at snapshot 2, and 3 in the first 4 MiB
        /// since, that is being reverted to snapshot 1.
        private func scene() throws -> (served: ServedHarness, safety: Int) {
            let served = try ServedHarness(size: "64M")
            try served.qemu("data", "write -P 1 0 48M")
            try served.snapshot()
            try served.qemu("data", "write -P 2 0 48M")
            try served.snapshot()
            try served.qemu("data", "write -P 3 0 4M", "flush")
            let revert = try served.revertSlowly(1)
            #expect(revert.state == "merging")
            return (served, try #require(revert.safety))
        }

        private func expectSnapshots(_ served: ServedHarness, safety: Int) throws {
            try served.qemu("data@1", "read -P 1 0 48M", "read -P 0 48M 16M")
            try served.qemu("data@2", "read -P 2 0 48M", "read -P 0 48M 16M")
            try served.qemu("data@\(safety)", "read -P 3 0 4M", "read -P 2 4M 44M")
        }

        @Test("a reverted volume reads as the snapshot at once, and the merge can be watched")
        func revert() throws {
            let (served, safety) = try scene()
            try served.qemu("data", "read -P 1 0 48M", "read -P 0 48M 16M")
            try expectSnapshots(served, safety: safety)
            let before = try served.unmergedBytes()
            #expect(before > 0, "the merge was over before anything was seen")
            let deadline = Instant.now + Instant.patience
            while try served.unmergedBytes() >= before, Instant.now < deadline {
                Instant.sleep(0.05)
            }
            let merge = try #require(try served.merges().first)
            let merged = try #require(merge["merged_bytes"] as? Int)
            #expect(merge["volume"] as? String == "data")
            #expect(merge["state"] as? String == "merging")
            #expect(try #require(merge["plan_bytes"] as? Int) >= 48 << 20)
            #expect(try #require(merge["preserved_bytes"] as? Int) > 0)
            #expect(merged > 0)
            #expect(try served.unmergedBytes() < before)

            try served.commandLine.json("merge", "pause", "data")
            // Whatever the pause does not stop would now be merged at once.
            try served.liftThrottle()
            #expect(try settledBytes(served) > 0)
            #expect(try served.merges().first?["state"] as? String == "paused")
            try served.commandLine.json("merge", "resume", "data")
            try served.awaitMerges()
            try served.qemu("data", "read -P 1 0 48M", "read -P 0 48M 16M")
            try expectSnapshots(served, safety: safety)
        }

        /// What there is to merge when the step that was under way has ended.
        private func settledBytes(_ served: ServedHarness) throws -> Int {
            let deadline = Instant.now + Instant.patience
            while Instant.now < deadline {
                let first = try served.unmergedBytes()
                Instant.sleep(0.7)
                if try served.unmergedBytes() == first { return first }
            }
            throw Problem(.failed, "the merge does not stand still")
        }

        @Test("writes and a snapshot in mid-merge are right, then and after the merge")
        func changes() throws {
            let (served, safety) = try scene()
            // One where it is merged already, one where it is not, one across the end.
            try served.qemu(
                "data", "write -P 4 100 1000", "write -f -P 5 45M 70000", "write -P 6 50331000 1000"
            )
            let middle = try served.snapshot()
            try served.qemu("data", "write -P 7 0 2M", "write -z 46M 1M", "flush")
            #expect(try served.unmergedBytes() > 0, "the merge was over too soon")
            let volume = [
                "read -P 7 0 2M", "read -P 1 2M 43M", "read -P 5 45M 70000",
                "read -P 1 47255920 978576", "read -P 0 46M 1M", "read -P 1 47M 1047928",
                "read -P 6 50331000 1000", "read -P 0 50332000 1000000",
            ]
            let snapshot = [
                "read -P 1 0 100", "read -P 4 100 1000", "read -P 1 1100 47184820",
                "read -P 5 45M 70000", "read -P 1 47255920 3075080", "read -P 6 50331000 1000",
                "read -P 0 50332000 1000000",
            ]
            for isMerged in [false, true] {
                if isMerged {
                    try served.liftThrottle()
                    try served.awaitMerges()
                }
                for (export, commands) in [("data", volume), ("data@\(middle)", snapshot)] {
                    let result = try served.qemuResult(export, commands)
                    #expect(result.status == 0, "\(export), merged \(isMerged): \(result.output)")
                }
                try expectSnapshots(served, safety: safety)
            }
        }

        @Test("a cancelled merge leaves the volume as it was before the revert")
        func cancel() throws {
            let (served, _) = try scene()
            try served.qemu("data", "write -P 9 8M 1M", "write -P 9 0 100")
            #expect(try served.unmergedBytes() > 0, "the merge was over too soon")
            #expect(try served.commandLine.run("merge", "cancel", "data").status == 13)
            try served.commandLine.json("merge", "cancel", "data", "--yes", "--force")
            try served.qemu(
                "data", "read -P 3 0 4M", "read -P 2 4M 44M", "read -P 0 48M 16M")
            try served.awaitMerges()
            try served.qemu(
                "data", "read -P 3 0 4M", "read -P 2 4M 44M", "read -P 0 48M 16M")
            try served.qemu("data@1", "read -P 1 0 48M")
            try served.qemu("data@2", "read -P 2 0 48M")
            #expect(try served.commandLine.json("check")["damaged"] as? Int == 0)
        }

        @Test("a merge goes on by itself when the server was ended", arguments: [SIGTERM, SIGKILL])
        func restart(signal: Int32) throws {
            let (served, safety) = try scene()
            try served.qemu("data", "write -f -P 4 46M 1M")
            let rest = try served.unmergedBytes()
            #expect(rest > 0, "the merge was over too soon")
            if signal == SIGTERM { try served.stop() } else { served.kill() }
            let left = try served.unmergedBytes()
            #expect(left > 0 && left <= rest)
            try served.serve()
            let volume = ["read -P 1 0 46M", "read -P 4 46M 1M", "read -P 1 47M 1M"]
            #expect(try served.qemuResult("data", volume).status == 0)
            // The limit has stayed with the merge.
            try served.liftThrottle()
            try served.awaitMerges()
            #expect(try served.qemuResult("data", volume).status == 0)
            try expectSnapshots(served, safety: safety)
            try served.stop()
            #expect(try served.commandLine.json("check", "--data")["damaged"] as? Int == 0)
        }
    }
}
