import Foundation
import SnapshotModel
import TestKit
import Testing

extension ScheduledTests {
    /// Prunes that are killed.
    @Suite struct PruneKillTests {
        private static func settings(last: Int) -> String {
            """
            policy = "p"
            [policies.p]
            last = \(last)
            include-manual = true
            """
        }

        /// Takes snapshots of a served volume that is written to; what each must show.
        private static func snapshots(
            _ harness: ScheduledHarness, count: Int, _ scribbler: inout Scribbler
        ) throws -> [Int: [UInt8]] {
            let server = try harness.serve()
            var content = [UInt8](repeating: 0, count: 2 << 20)
            var contents: [Int: [UInt8]] = [:]
            do {
                let client = try harness.client()
                for _ in 0..<count {
                    try scribbler.scribble(client, &content, writes: 1)
                    contents[try harness.snapshot()] = content
                }
            }
            try harness.stop(server)
            return contents
        }

        @Test("a prune killed at any moment loses nothing that the policy keeps")
        func kills() throws {
            let (rounds, step) = (30, 3)
            let total = rounds * step + 6
            let harness = try ScheduledHarness(
                Self.settings(last: total), size: "2M", start: "2026-11-23 00:01:01")
            var scribbler = Scribbler(seed: 5)
            let contents = try Self.snapshots(harness, count: total, &scribbler)
            let ids = contents.keys.sorted()
            var (interrupted, limit) = (0, 0.1)
            for round in 1...rounds {
                let last = total - round * step
                try harness.write(settings: Self.settings(last: last))
                let prune = try harness.start("prune")
                let begin = Instant.now
                let delay = Double(scribbler.number(below: Int(limit * 1e6))) / 1e6
                while Instant.now < begin + delay, prune.process.isRunning { Instant.sleep(0.001) }
                // Each that is too late makes the next ones earlier.
                if !prune.process.isRunning { limit = max(0.01, (Instant.now - begin) * 1.1) }
                prune.kill()
                if try prune.wait() != 0 { interrupted += 1 }
                #expect(try harness.damaged() == 0, "kill \(round)")
                let left = try harness.snapshots().map(\.id)
                #expect(Array(left.suffix(last)) == Array(ids.suffix(last)), "kill \(round)")
                if round % 2 == 0 {
                    let again = try harness.run("prune")
                    #expect(again.status == 0, "kill \(round): \(again.errors)")
                    let rows = try harness.snapshots()
                    #expect(rows.map(\.id) == Array(ids.suffix(last)), "kill \(round)")
                    #expect(try harness.damaged() == 0, "kill \(round)")
                }
            }
            #expect(interrupted > 0)
            for row in try harness.snapshots() {
                try harness.succeed("export", "\(row.id)", "out\(row.id)")
                let found = try Data(contentsOf: URL(filePath: harness.path("out\(row.id)")))
                #expect([UInt8](found) == contents[row.id], "snapshot \(row.id)")
            }
        }
    }
}
