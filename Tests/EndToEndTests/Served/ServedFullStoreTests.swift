import Foundation
import SnapshotModel
import TestKit
import Testing

extension ServedTests {
    /// A store on a filesystem that is full.
    @Suite(.enabled(if: SmallFilesystem.isPossible, "only root can mount a small filesystem"))
    struct ServedFullStoreTests {
        /// An 8 MiB volume with two snapshots, whose store has no room for all of it.
        private func scene(_ policy: String) throws -> ServedHarness {
            let served = try ServedHarness(
                size: "8M", options: ["--when-full", policy], storeMegabytes: 4)
            try served.qemu("data", "write -P 1 0 8M")
            try served.snapshot()
            try served.qemu("data", "write -P 2 0 1M")
            try served.snapshot()
            try served.qemu("data", "write -P 3 0 1M")
            return served
        }

        /// Writes 64 KiB after 64 KiB from 1 MiB on; returns how many were taken before an error.
        private func fill(_ served: ServedHarness) throws -> (count: Int, refusal: UInt32?) {
            let client = try served.client()
            let bytes = [UInt8](repeating: 4, count: 65_536)
            for number in 0..<112 {
                do {
                    try client.write(bytes, at: 1 << 20 + number * bytes.count)
                } catch let refusal as NBDClient.Refusal {
                    return (number, refusal.code)
                }
            }
            return (112, nil)
        }

        @Test("break-writes: a write fails with ENOSPC, snapshots stay whole, deleting makes room")
        func breakWrites() throws {
            let served = try scene("break-writes")
            let (count, refusal) = try fill(served)
            #expect(refusal == UInt32(ENOSPC))
            #expect(count > 0 && count < 112)
            let end = 1 << 20 + count * 65_536
            try served.qemu("data@1", "read -P 1 0 8M")
            try served.qemu("data@2", "read -P 2 0 1M", "read -P 1 1M 7M")
            try served.qemu(
                "data", "read -P 3 0 1M", "read -P 4 1M \(end - 1 << 20)",
                "read -P 1 \(end) \(8 << 20 - end)", "write -P 5 0 1M")
            #expect(try served.commandLine.json("check", "--data")["damaged"] as? Int == 0)

            try served.commandLine.json("delete", "2", "1")
            let (again, second) = try fill(served)
            #expect(again == 112)
            #expect(second == nil)
            try served.qemu("data", "read -P 5 0 1M", "read -P 4 1M 7M")
            try served.stop()
            #expect(try served.commandLine.json("check", "--data")["damaged"] as? Int == 0)
        }

        @Test(
            "H4, daily 5: a served store that is full is free again at once when its only snapshot goes"
        )
        func onlySnapshot() throws {
            let served = try ServedHarness(
                size: "8M", options: ["--when-full", "break-writes"], storeMegabytes: 4)
            try served.qemu("data", "write -P 1 0 8M")
            try served.snapshot()
            let (count, refusal) = try fill(served)
            #expect(refusal == UInt32(ENOSPC))
            #expect(try served.commandLine.run("snapshot", "data").status != 0)

            let dry = try served.commandLine.json("delete", "1", "--dry-run")
            #expect(dry["estimated"] as? Bool == true)
            let before = try freeBytes(served)
            let report = try served.commandLine.json("delete", "1")
            let freed = try #require(report["freed_bytes"] as? Int)
            #expect(report["estimated"] as? Bool == false)
            #expect(freed >= count * 65_536)
            // A mark of the deletion takes nothing; what the folder's own record takes is small.
            #expect(abs(try freeBytes(served) - before - freed) <= 65_536)

            let next = try served.snapshot()
            // What is left of the deleted one's folder goes with the next collection.
            let again = try fill(served).count
            #expect(again >= count - 1)
            try served.qemu("data@\(next)", "read -P 4 1M \(again * 65_536)")
            try served.stop()
            #expect(try served.commandLine.json("check", "--data")["damaged"] as? Int == 0)
        }

        private func freeBytes(_ served: ServedHarness) throws -> Int {
            var status = statvfs()
            guard statvfs(served.folder + "/small", &status) == 0 else {
                throw Problem(.failed, "statvfs: error \(errno)")
            }
            return Int(status.f_bavail) * Int(status.f_frsize)
        }

        @Test("break-snapshots: the write succeeds, and what is broken is never shown as if whole")
        func breakSnapshots() throws {
            let served = try scene("break-snapshots")
            let (count, refusal) = try fill(served)
            #expect(count == 112)
            #expect(refusal == nil)
            try served.qemu("data", "read -P 3 0 1M", "read -P 4 1M 7M")
            let list = try served.commandLine.run("list", "data", "--json")
            let document = try JSONSerialization.jsonObject(with: Data(list.output.utf8))
            let rows = (document as? [String: Any])?["snapshots"] as? [[String: Any]]
            #expect(rows?.compactMap { $0["state"] as? String } == ["broken", "broken"])
            for id in [1, 2] {
                #expect(throws: (any Error).self) { try served.client("data@\(id)") }
                #expect(try served.commandLine.run("revert", "\(id)", "--yes").status == 1)
                #expect(try served.commandLine.run("export", "\(id)", "out.img").status == 1)
            }
            try served.commandLine.json("delete", "1", "2")
            let next = try served.snapshot()
            try served.qemu("data", "write -P 6 0 512K")
            try served.qemu("data@\(next)", "read -P 3 0 1M", "read -P 4 1M 7M")
        }
    }
}
