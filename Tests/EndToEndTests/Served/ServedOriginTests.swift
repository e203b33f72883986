import Foundation
import TestKit
import Testing

extension ServedTests {
    /// An origin that somebody else cuts while it is served.
    @Suite struct ServedOriginTests {
        /// The error that a server answers with; nil when it does what it was asked.
        private func refusal(_ request: () throws -> Void) throws -> UInt32? {
            do {
                try request()
                return nil
            } catch let refusal as NBDClient.Refusal { return refusal.code }
        }

        @Test("L4: what a client calls an export is escaped in the server's log")
        func exportName() throws {
            let served = try ServedHarness()
            #expect(throws: (any Error).self) { try served.client("x\u{1B}[31m\nforged") }
            try served.stop()
            #expect(served.serverMessages.contains("x\\u{1B}[31m\\nforged"))
            #expect(!served.serverMessages.contains("\u{1B}"))
        }

        @Test("M2: a served origin that was cut is an I/O error, never zeroes, and is warned of")
        func cut() throws {
            let served = try ServedHarness()
            try served.qemu("data", "write -P 1 0 4M")
            let id = try served.snapshot()
            try served.qemu("data", "write -P 2 0 64K")
            #expect(truncate(served.path("data.img"), 1 << 20) == 0)
            let client = try served.client()
            #expect(try client.read(0..<1) == [2])
            let range = 3 << 20..<3 << 20 + 1
            #expect(try refusal { _ = try client.read(range) } == UInt32(EIO))
            #expect(try refusal { try client.write([3], at: range.lowerBound) } == UInt32(EIO))
            #expect(try allocatedBytes(served.path("data.img")) <= 1 << 20)
            let snapshot = try served.client("data@\(id)")
            #expect(try snapshot.read(0..<1) == [1])
            #expect(try refusal { _ = try snapshot.read(range) } == UInt32(EIO))
            #expect(try served.commandLine.run("snapshot", "data").status == 1)
            let status = try served.commandLine.run("status")
            #expect(status.output.contains("THE ORIGIN") || status.errors.contains("THE ORIGIN"))
            #expect(try served.snapshots() == [id])
        }
    }
}
