import Foundation
import TestKit
import Testing

extension ServedClients {
    /// qemu-io's patterns.
    @Suite struct ClientPatternTests {
        @Test("a client reads what it wrote, zeroed and discarded, at any offset and size")
        func patterns() throws {
            let served = try ServedHarness()
            try served.qemu(
                "data", "write -P 17 100001 50003", "flush", "write -z 120000 4097",
                "discard 131072 16384", "write -f -P 18 4194303 1", "aio_write -P 19 0 65537",
                "aio_flush")
            try served.qemu(
                "data", "read -P 0 65537 34464", "read -P 17 100001 19999", "read -P 0 120000 4097",
                "read -P 17 124097 6975", "read -P 0 131072 16384", "read -P 17 147456 2548",
                "read -P 0 150004 1000000", "read -P 18 4194303 1", "read -P 19 0 65537")
            let missed = try served.qemuResult("data", ["read -P 20 0 512"])
            #expect(missed.output.contains("Pattern verification failed"))
            let beyond = try served.qemuResult("data", ["write -P 1 4194304 512"])
            #expect(beyond.status != 0)
        }

        @Test("a snapshot keeps what is overwritten, zeroed and discarded after it")
        func snapshots() throws {
            let served = try ServedHarness()
            try served.qemu("data", "write -P 1 0 1M", "write -P 2 1M 1M")
            let first = try served.snapshot()
            try served.qemu(
                "data", "write -P 3 333 70001", "write -z 524288 131073", "discard 1M 512K",
                "write -P 4 2M 1000")
            let second = try served.snapshot()
            try served.qemu("data", "write -f -P 5 0 3M", "flush")

            try served.qemu(
                "data@\(first)", "read -P 1 0 1M", "read -P 2 1M 1M", "read -P 0 2M 2M")
            try served.qemu(
                "data@\(second)", "read -P 1 0 333", "read -P 3 333 70001",
                "read -P 1 70334 453954", "read -P 0 524288 131073", "read -P 1 655361 393215",
                "read -P 0 1M 512K", "read -P 2 1536K 512K", "read -P 4 2M 1000",
                "read -P 0 2098152 2096152")
            try served.qemu("data", "read -P 5 0 3M", "read -P 0 3M 1M")
        }

        @Test("a snapshot's export takes no writes, and is found by its name, too")
        func readOnly() throws {
            let served = try ServedHarness()
            try served.qemu("data", "write -P 7 0 64K")
            try served.commandLine.json("snapshot", "data", "--name", "kept")
            let mode = ["qemu-io", "-f", "raw", served.uri("data@kept"), "-c", "write -P 1 0 512"]
            #expect(try served.commandLine.tool(mode).status != 0)
            let client = try served.client("data@1")
            let refusal = #expect(throws: NBDClient.Refusal.self) {
                try client.write([1], at: 0)
            }
            #expect(refusal?.code == UInt32(EPERM))
            try served.qemu("data@kept", "read -P 7 0 64K")
            #expect(throws: (any Error).self) { try served.client("data@2") }
            #expect(throws: (any Error).self) { try served.client("other") }
        }

        @Test("an acknowledged write is in the origin when the server has ended")
        func plainOrigin() throws {
            let served = try ServedHarness()
            try served.snapshot()
            try served.qemu("data", "write -P 9 12345 100000")
            try served.stop()
            let origin = try Data(contentsOf: URL(filePath: served.path("data.img")))
            #expect(origin.count == 4 << 20)
            #expect(origin[12345..<112_345].allSatisfy { $0 == 9 })
            #expect(origin[..<12345].allSatisfy { $0 == 0 })
        }
    }
}
