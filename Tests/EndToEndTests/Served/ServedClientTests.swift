import Foundation
import TestKit
import Testing

extension ServedTests {
    /// Changes of a volume's content while a client has it open for writing.
    @Suite struct ServedClientTests {
        @Test("daily 1: a revert under clients is refused with them named, and done by --force")
        func revert() throws {
            let served = try ServedHarness()
            try served.qemu("data", "write -P 1 0 4M")
            let id = try served.snapshot()
            let clients = try [served.client(), served.client()]
            try clients[0].write([UInt8](repeating: 2, count: 65_536), at: 0)
            for options in [["--dry-run"], ["--yes"]] {
                let refused = try served.commandLine.run(["revert", "\(id)"] + options)
                #expect(refused.status == 13)
                #expect(refused.errors.contains("volume data is open: 2 clients have it open"))
                #expect(refused.errors.contains(", since 20"))
                #expect(refused.errors.contains("--force"))
            }
            #expect(try clients[1].read(0..<1) == [2])

            let forced = try served.commandLine.run("revert", "\(id)", "--yes", "--force", "--wait")
            #expect(forced.status == 0, "\(forced.errors)")
            #expect(forced.output.contains("2 clients have volume data open, since 20"))
            #expect(forced.output.contains("stop the VM"))
            #expect(try clients[1].read(0..<1) == [1])
            withExtendedLifetime(clients) {}
        }

        @Test("daily 1: a client that only reads a snapshot, or has gone, is in nobody's way")
        func gone() throws {
            let served = try ServedHarness()
            try served.qemu("data", "write -P 1 0 64K")
            let id = try served.snapshot()
            let reader = try served.client("data@\(id)")
            do { _ = try served.client().read(0..<1) }
            try served.qemu("data", "write -P 2 0 64K")
            let deadline = Instant.now + Instant.patience
            var result = try served.commandLine.run("revert", "\(id)", "--yes", "--wait")
            // On a busy machine the server may be slow to see that a client has gone.
            while result.status == 13, Instant.now < deadline {
                result = try served.commandLine.run("revert", "\(id)", "--yes", "--wait")
            }
            #expect(result.status == 0, "\(result.errors)")
            #expect(!result.output.contains("begin anew"))
            #expect(try reader.read(0..<1) == [1])
            #expect(try served.client().read(0..<1) == [1])
        }

        @Test("daily 1: a volume is not made smaller under a client but by --force; it may grow")
        func shrink() throws {
            let served = try ServedHarness()
            let client = try served.client()
            try served.commandLine.json("volume", "resize", "data", "8M")
            let refused = try served.commandLine.run("volume", "resize", "data", "2M", "--yes")
            #expect(refused.status == 13)
            #expect(refused.errors.contains("volume data is open: a client has it open"))
            let forced = try served.commandLine.json(
                "volume", "resize", "data", "2M", "--yes", "--force")
            let resize = forced["resize"] as? [String: Any]
            #expect(resize?["size"] as? Int == 2 << 20)
            #expect(resize?["clients"] as? Int == 1)
            #expect(try client.read(0..<1) == [0])
        }

        @Test("daily 1: a merge is not cancelled under a client but by --force")
        func cancel() throws {
            let served = try ServedHarness(size: "64M")
            try served.qemu("data", "write -P 1 0 64M")
            try served.snapshot()
            try served.qemu("data", "write -P 2 0 64M")
            _ = try served.revertSlowly(1)
            let client = try served.client()
            #expect(try client.read(0..<1) == [1])
            #expect(try served.commandLine.run("merge", "cancel", "data", "--yes").status == 13)
            try served.commandLine.json("merge", "cancel", "data", "--yes", "--force")
            #expect(try client.read(0..<1) == [2])
        }

        @Test("daily 1: a volume that a client has open is not removed, and the client is named")
        func remove() throws {
            let served = try ServedHarness()
            let client = try served.client()
            let refused = try served.commandLine.run("volume", "remove", "data", "--yes")
            #expect(refused.status == 13)
            #expect(refused.errors.contains("volume data is open: a client has it open"))
            #expect(try client.read(0..<1) == [0])
        }

        @Test("daily 1: --force takes a volume that is removed from its server, which serves on")
        func removeByForce() throws {
            let served = try ServedHarness("data", "other")
            let client = try served.client()
            let other = try served.client("other")
            try served.commandLine.json("volume", "remove", "data", "--yes", "--force")
            #expect(throws: (any Error).self) { try client.read(0..<1) }
            #expect(throws: (any Error).self) { try served.client() }
            #expect(try other.read(0..<1) == [0])
            try served.stop()
        }
    }
}
