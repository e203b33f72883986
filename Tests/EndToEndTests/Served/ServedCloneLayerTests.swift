import Foundation
import SnapshotModel
import TestKit
import Testing

extension ServedTests {
    /// Clones of clones over NBD, by the built binary.
    @Suite struct ServedCloneLayerTests {
        /// A volume of 4 MiB, all of it 1, with snapshot 1 and then all of it 2, and the clone `trial`, which has 7
        /// in its first MiB.
        private func scene() throws -> ServedHarness {
            let served = try ServedHarness()
            try served.qemu("data", "write -P 1 0 4M")
            try served.snapshot()
            try served.qemu("data", "write -P 2 0 4M")
            try served.commandLine.json("clone", "create", "1", "trial")
            try served.qemu("trial", "write -P 7 0 1M")
            return served
        }

        private func clones(_ served: ServedHarness) throws -> [String: [String: Any]] {
            let list = try served.commandLine.json("clone", "list")["clones"] as? [[String: Any]]
            return (list ?? []).reduce(into: [:]) { $0[$1["name"] as? String ?? ""] = $1 }
        }

        @Test("clones of clones ten deep are served, survive a restart, and go one by one")
        func tenDeep() throws {
            let served = try scene()
            for depth in 1...10 {
                let parent = depth == 1 ? "trial" : "c\(depth - 1)"
                try served.commandLine.json("clone", "create", parent, "c\(depth)")
                try served.qemu("c\(depth)", "write -P \(10 + depth) \(depth * 128)k 128k")
            }
            #expect(try clones(served)["c10"]?["layers"] as? Int == 10)
            #expect(try clones(served)["c10"]?["parent"] as? String == "c9")
            for isRestarted in [false, true] {
                if isRestarted {
                    try served.stop()
                    try served.serve()
                }
                for depth in 1...10 {
                    try served.qemu("c10", "read -P \(10 + depth) \(depth * 128)k 128k")
                }
                try served.qemu("c10", "read -P 7 0 128k", "read -P 1 2M 2M")
                try served.qemu("c5", "read -P 15 640k 128k", "read -P 7 768k 128k")
                try served.qemu("trial", "read -P 7 0 1M", "read -P 1 1M 3M")
            }
            for depth in 1...9 { try served.commandLine.json("clone", "delete", "c\(depth)") }
            try served.commandLine.json("clone", "delete", "trial")
            try served.qemu("c10", "read -P 7 0 128k", "read -P 20 1280k 128k")
            try served.stop()
            #expect(try served.commandLine.json("check", "--data")["damaged"] as? Int == 0)
            try served.commandLine.json("clone", "delete", "c10")
            try served.commandLine.json("delete", "1")
        }

        @Test(
            "a client that writes to a clone goes on while that is cloned, and a kept state does not change"
        )
        func underClients() throws {
            let served = try scene()
            let client = try served.client("trial")
            let made = try served.commandLine.json(
                "clone", "create", "trial", "kept", "--read-only")
            #expect((made["clone"] as? [String: Any])?["read_only"] as? Bool == true)
            try served.qemu("trial", "write -P 9 512k 1M", "read -P 9 512k 1M", "read -P 7 0 512k")
            withExtendedLifetime(client) {}
            let info = try served.commandLine.tool([
                "nbdinfo", "--is", "read-only", served.uri("kept"),
            ])
            #expect(info.status == 0)
            try served.commandLine.json("clone", "create", "data@kept", "again")
            try served.qemu("again", "read -P 7 0 1M", "read -P 1 1M 3M", "write -P 5 0 64k")
            #expect(try clones(served)["kept"]?["state"] as? String == "ready")
            let refused = try served.commandLine.run("snapshot", "trial", "--name", "s")
            #expect(refused.status == 13)
            #expect(refused.errors.contains("snapmgr clone create trial NAME --read-only"))
        }

        @Test("a larger clone is zero behind its snapshot's end, and becomes a volume of its size")
        func larger() throws {
            let served = try scene()
            try served.commandLine.json("clone", "create", "trial", "large", "--size", "6M")
            try served.qemu(
                "large", "read -P 7 0 1M", "read -P 1 1M 3M", "read -P 0 4M 2M", "write -P 6 5M 1M")
            let refused = try served.commandLine.run(
                "revert", "1", "--with", "large", "--yes")
            #expect(refused.status == 13)
            #expect(refused.errors.contains("snapmgr clone promote large"))
            let small = try served.commandLine.run(
                "clone", "create", "large", "small", "--size", "4M", "-n")
            #expect(small.status == 13)
            let promoted = try served.commandLine.json("clone", "promote", "large")
            #expect((promoted["promoted"] as? [String: Any])?["size"] as? Int == 6 << 20)
            let bytes = try Data(contentsOf: URL(filePath: served.path("large.img")))
            #expect(bytes.count == 6 << 20)
            #expect(bytes[(4 << 20)..<(5 << 20)].allSatisfy { $0 == 0 })
            #expect(bytes[(5 << 20)...].allSatisfy { $0 == 6 })
        }

        @Test("a clone of a clone is made the volume, with all that lies below it")
        func madeTheVolume() throws {
            let served = try scene()
            try served.commandLine.json("clone", "create", "trial", "next")
            try served.qemu("next", "write -P 8 512k 1M")
            try served.commandLine.json(
                "revert", "1", "--with", "next", "--end-clone", "--yes", "--wait")
            try served.qemu(
                "data", "read -P 7 0 512k", "read -P 8 512k 1M", "read -P 1 1536k 2560k")
            #expect(try clones(served).keys.sorted() == ["trial"])
            try served.qemu("trial", "read -P 7 0 1M", "read -P 1 1M 3M")
            try served.stop()
            #expect(try served.commandLine.json("check", "--data")["damaged"] as? Int == 0)
        }
    }
}
