import Foundation
import SnapshotModel
import TestKit
import Testing

extension ServedTests {
    /// What else can be done with a clone's content: exported, compared, made a volume of its own.
    @Suite struct ServedCloneCopyTests {
        /// A volume of 4 MiB: all of it 1 in snapshot 1, then 1 MiB of it 2. The clone `trial` of snapshot 1 has
        /// 7 in the second MiB.
        private func scene() throws -> ServedHarness {
            let served = try ServedHarness()
            try served.qemu("data", "write -P 1 0 4M")
            try served.snapshot()
            try served.qemu("data", "write -P 2 0 1M")
            try served.commandLine.json("clone", "create", "1", "trial")
            try served.qemu("trial", "write -P 7 1M 1M")
            return served
        }

        private func exitCode(_ served: ServedHarness, _ words: String...) throws -> Int32 {
            try served.commandLine.run(words).status
        }

        private func isCloned(_ bytes: Data) -> Bool {
            let megabyte = 1 << 20
            return bytes.count == 4 * megabyte && bytes[..<megabyte].allSatisfy { $0 == 1 }
                && bytes[megabyte..<2 * megabyte].allSatisfy { $0 == 7 }
                && bytes[(2 * megabyte)...].allSatisfy { $0 == 1 }
        }

        private func file(_ served: ServedHarness, _ name: String) throws -> Data {
            try Data(contentsOf: URL(filePath: served.path(name)))
        }

        @Test("an exported clone is what was written to it, served or not")
        func export() throws {
            let served = try scene()
            let answer = try served.commandLine.json("export", "trial", "one.img")
            let export = try #require(answer["export"] as? [String: Any])
            #expect(export["clone"] as? String == "trial")
            #expect(export["snapshot_id"] as? Int == 1)
            #expect(isCloned(try file(served, "one.img")))
            let client = try served.client("trial")
            #expect(try exitCode(served, "export", "trial", "two.img") == 13)
            #expect(!FileManager.default.fileExists(atPath: served.path("two.img")))
            withExtendedLifetime(client) {}
            try served.stop()
            try served.commandLine.json("export", "data@trial", "two.img")
            #expect(isCloned(try file(served, "two.img")))
        }

        @Test("a clone is compared with its snapshot, and with what the volume is now")
        func diff() throws {
            let served = try scene()
            func ranges(_ words: String...) throws -> [[String: Int]] {
                let answer = try served.commandLine.run(["diff", "--json"] + words)
                #expect(answer.status == 0, "\(answer.errors)")
                let json = try JSONSerialization.jsonObject(with: Data(answer.output.utf8))
                return (json as? [String: Any])?["ranges"] as? [[String: Int]] ?? []
            }
            #expect(try ranges("trial") == [["offset": 1 << 20, "length": 1 << 20]])
            #expect(try ranges("1", "trial") == [["offset": 1 << 20, "length": 1 << 20]])
            #expect(try ranges("trial", "data@live") == [["offset": 0, "length": 2 << 20]])
            #expect(try ranges("trial", "trial") == [])
        }

        @Test("a promoted clone is a volume of its own, and the snapshot is free")
        func promote() throws {
            let served = try scene()
            #expect(try exitCode(served, "clone", "promote", "trial", "-n") == 0)
            #expect(!FileManager.default.fileExists(atPath: served.path("trial.img")))
            try Data("taken".utf8).write(to: URL(filePath: served.path("taken.img")))
            #expect(
                try exitCode(
                    served, "clone", "promote", "trial", "--origin", served.path("taken.img")) == 1)
            let client = try served.client("trial")
            #expect(try exitCode(served, "clone", "promote", "trial") == 13)
            withExtendedLifetime(client) {}
            try served.stop()
            try served.serve()
            let answer = try served.commandLine.json(
                "clone", "promote", "trial", "--origin", served.path("own.img"))
            let made = try #require(answer["promoted"] as? [String: Any])
            #expect(made["volume"] as? String == "trial")
            #expect(isCloned(try file(served, "own.img")))
            let list = try served.commandLine.json("clone", "list")["clones"] as? [Any]
            #expect(list?.isEmpty == true)
            try served.commandLine.json("snapshot", "trial")
            try served.commandLine.json("delete", "1")
            try served.stop()
            try served.serve()
            try served.qemu("trial", "read -P 1 0 1M", "read -P 7 1M 1M", "read -P 1 2M 2M")
            try served.qemu("data", "read -P 2 0 1M", "read -P 1 1M 3M")
            #expect(try served.commandLine.json("check", "--data")["damaged"] as? Int == 0)
        }
    }
}
