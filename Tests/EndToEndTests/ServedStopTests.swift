import Foundation
import SnapshotModel
import TestKit
import Testing

extension ServedTests {
    /// A server that is stopped, as systemd does it, while clients are at work.
    @Suite struct ServedStopTests {
        private static let clientCount = 6
        private static let cellsEach = 64
        private static let stride = 4096

        @Test("daily 2: a stop answers no request with an error, and keeps what was acknowledged")
        func stopUnderLoad() throws {
            let served = try ServedHarness(size: "8M")
            try served.snapshot()
            for round in 0..<10 {
                let logs = (0..<Self.clientCount).map { _ in WriteLog() }
                let writers = logs.enumerated().map { number, log in
                    let first = number * Self.cellsEach
                    // The version's remainder by 16 makes some writes durable at once.
                    let version = 2 + round * 1_000_000
                    return Background { isWanted in
                        try log.write(
                            served, first..<first + Self.cellsEach, stride: Self.stride,
                            first: version, while: isWanted)
                    }
                }
                let deadline = Instant.now + 30
                while logs.contains(where: { $0.acknowledgedCounts.isEmpty }) {
                    guard Instant.now < deadline else {
                        throw Problem(.failed, "nothing is written")
                    }
                    Instant.sleep(0.005)
                }
                try served.stop()
                // An answer with an error ends a writer with it; a lost connection does not.
                for writer in writers { try writer.join() }
                try served.serve()
                try check(logs, served)
            }
        }

        /// Each cell holds a version that it may hold.
        private func check(_ logs: [WriteLog], _ served: ServedHarness) throws {
            let client = try served.client()
            for (number, log) in logs.enumerated() {
                for (cell, count) in log.acknowledgedCounts where count > 0 {
                    let start = cell * Self.stride
                    let bytes = try client.read(start..<start + Cell.byteCount)
                    let allowed = log.versions(of: cell, from: count, 0)
                    let version = try #require(
                        Cell.version(of: bytes, cell: cell), "client \(number), cell \(cell)")
                    #expect(allowed.contains(version), "client \(number), cell \(cell)")
                }
            }
        }
    }

    /// What a server does when it is told to look again.
    @Suite struct ServedReloadTests {
        @Test("daily 23: on SIGHUP a server takes up new volumes, and what it serves goes on")
        func reload() throws {
            let served = try ServedHarness()
            let client = try served.client()
            try served.commandLine.json(
                "volume", "create", "later", "--origin", "later.img", "--create-size", "1M")
            #expect(throws: (any Error).self) { try served.client("later") }
            served.reload()
            let deadline = Instant.now + 30
            while (try? served.client("later")) == nil, Instant.now < deadline {
                Instant.sleep(0.02)
            }
            try served.qemu("later", "write -P 1 0 64K", "read -P 1 0 64K")
            try served.snapshot("later")
            #expect(try client.read(0..<1) == [0])
            try served.stop()
        }
    }
}
