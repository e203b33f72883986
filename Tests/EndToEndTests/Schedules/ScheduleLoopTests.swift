import Foundation
import Testing

extension ScheduledTests {
    /// Serve, write, tick, prune, revert.
    @Suite struct ScheduleLoopTests {
        @Test("a served volume is snapshotted on schedule, pruned by its policy, and reverted")
        func loop() throws {
            let harness = try ScheduledHarness(
                """
                policy = "short"
                time-zone = "UTC"
                [volumes.data]
                schedules = ["quarter-hourly"]
                [schedules.quarter-hourly]
                every = "15m"
                tags = ["auto"]
                [policies.short]
                last = 3
                hourly = 2
                """, size: "4M", start: "2026-11-23 00:01:01")
            let server = try harness.serve()
            try harness.tick()
            try harness.qemu("data", "write -P 200 0 4M")
            // What is written before the slot is what its snapshot shows.
            for number in 1...10 {
                try harness.qemu("data", "write -P \(number) 0 64K", "write -P \(number) 2M 128K")
                try harness.advance(minutes: number == 1 ? 14.5 : 15)
                let slot = try #require(try harness.tick().slots.first)
                #expect(slot.outcome == "taken")
                #expect(slot.snapshots == [number])
                #expect(slot.missed == 0)
            }
            // 00:15 to 02:30. The last three, and the oldest of the hours 01 and 02.
            let rows = try harness.snapshots("data")
            #expect(rows.map(\.id) == [4, 8, 9, 10])
            #expect(rows.allSatisfy { $0.schedule == "quarter-hourly" && $0.tags == ["auto"] })
            #expect(rows.allSatisfy { $0.kind == "scheduled" })
            for row in rows {
                try harness.qemu(
                    "data@\(row.id)", "read -P \(row.id) 0 64K", "read -P \(row.id) 2M 128K",
                    "read -P 200 64K 1984K")
            }
            try harness.qemu("data", "write -P 99 0 4M")
            try harness.awaitNoClients(snapshot: 8)
            try harness.succeed("revert", "8", "--wait", "--yes")
            try harness.qemu(
                "data", "read -P 8 0 64K", "read -P 8 2M 128K", "read -P 200 64K 1984K",
                "read -P 200 2176K 1920K")
            let safety = try #require(
                try harness.snapshots("data").first { $0.kind == "safety" })
            try harness.qemu("data@\(safety.id)", "read -P 99 0 4M")
            try harness.advance(minutes: 15)
            #expect(try harness.tick().slots.map(\.outcome) == ["taken"])
            #expect(try harness.damaged() == 0)
            try harness.stop(server)
            #expect(try harness.damaged() == 0)
        }
    }
}
