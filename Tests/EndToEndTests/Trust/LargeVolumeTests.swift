import Foundation
import SnapshotModel
import TestKit
import Testing

/// Volumes that are larger than a file of their store's filesystem may be.
@Suite(.enabled(if: CommandLineHarness.isBuilt, "run `make build` first"))
struct LargeVolumeTests {
    /// A 64 TiB image in memory, and its store on ext4, whose files end at 16 TiB.
    @Suite(
        .enabled(
            if: LoopImage.isPossible && SmallFilesystem.isPossible,
            "only root can mount ext4 and a filesystem in memory"))
    struct PastExt4Tests {
        private static let size = 64 << 40

        @Test("64 TiB over a store whose files end at 16 TiB: said with numbers, and it works")
        func past() throws {
            let harness = try CommandLineHarness()
            let memory = try SmallFilesystem.mount(in: harness.folder, megabytes: 16)
            defer { SmallFilesystem.unmount(memory) }
            let image = try LoopImage(over: "store.img", in: harness, megabytes: 64)
            let store = try image.mount("ext4") + "/store"
            defer { image.unmount() }
            let created = try harness.run(
                "volume", "create", "data", "--origin", memory + "/data.img", "--create-size",
                "64T",
                "--chunk", "4K", "--store", store)
            #expect(created.status == 0, "\(created)")
            for part in ["no files of more than 16 TiB", "may need 64.3 TiB", "at most 15.9 TiB"] {
                #expect(created.errors.contains(part), "\(part): \(created.errors)")
            }
            try use(harness)
        }

        private func use(_ harness: CommandLineHarness) throws {
            try harness.json("snapshot", "data")
            let served = try ServedHarness(serving: harness)
            defer { served.kill() }
            let (end, byte) = (Self.size - 65_536, [UInt8](repeating: 7, count: 65_536))
            let client = try served.client()
            for offset in [0, 17 << 40, end] { try client.write(byte, at: offset) }
            try client.flush()
            let view = try served.client("data@1")
            for offset in [0, 17 << 40, end] {
                #expect(try client.read(offset..<offset + 65_536) == byte)
                #expect(
                    try view.read(offset..<offset + 65_536) == [UInt8](repeating: 0, count: 65_536))
            }
            let changed = try harness.json("diff", "data@1", "data@live")["changed_bytes"] as? Int
            #expect(changed == 3 * 65_536)
            try served.stop()
            #expect(try harness.json("check")["damaged"] as? Int == 0)
        }
    }

    @Test("where a file may become no longer, writes are refused until the next snapshot")
    func limit() throws {
        let served = try ServedHarness(size: "96M")
        try served.qemu("data", "write -P 1 0 96M")
        try served.snapshot()
        let process = try #require(served.processID)
        let limit = try served.commandLine.tool([
            "prlimit", "--pid", "\(process)", "--fsize=\(80 << 20)",
        ])
        try #require(limit.status == 0, "\(limit)")
        try served.qemu("data", "write -P 2 0 76M")
        let client = try served.client()
        let bytes = [UInt8](repeating: 3, count: 1 << 20)
        var refusal: UInt32?
        do {
            for megabyte in 76..<80 { try client.write(bytes, at: megabyte << 20) }
        } catch let error as NBDClient.Refusal { refusal = error.code }
        #expect(refusal == UInt32(ENOSPC))
        #expect(served.serverMessages.contains("cannot extend beyond 79.6 MiB"))
        try served.snapshot()
        for megabyte in 76..<80 { try client.write(bytes, at: megabyte << 20) }
        try served.qemu("data@1", "read -P 1 0 96M")
        try served.qemu("data@2", "read -P 2 0 76M", "read -P 1 80M 16M")
        try served.stop()
        #expect(try served.commandLine.json("check", "--data")["damaged"] as? Int == 0)
    }
}
