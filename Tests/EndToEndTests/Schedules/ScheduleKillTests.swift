import Foundation
import SnapshotModel
import Testing

extension ScheduledTests {
    /// Ticks that are killed.
    @Suite struct ScheduleKillTests {
        @Test("a tick killed at any moment leaves no damage, no half set, and no slot taken twice")
        func kills() throws {
            let harness = try ScheduledHarness(
                """
                time-zone = "UTC"
                policy = "short"
                [volumes.data]
                schedules = ["q"]
                [volumes.a]
                [volumes.b]
                [sets.pair]
                volumes = ["a", "b"]
                schedules = ["q"]
                [schedules.q]
                every = "15m"
                [policies.short]
                last = 12
                """, volumes: ["data", "a", "b"], start: "2026-11-23 00:14:01")
            try harness.tick()
            var scribbler = Scribbler(seed: 11)
            try harness.setClock("2026-11-23 00:15:01")
            let begin = Instant.now
            try harness.tick()
            // Some kills come late: after the tick has ended.
            let limit = Int((Instant.now - begin) * 1.2e6)
            var interrupted = 0
            for number in 0..<32 {
                try harness.advance(minutes: 15)
                let tick = try harness.start("tick")
                Instant.sleep(Double(scribbler.number(below: limit)) / 1e6)
                tick.kill()
                if try tick.wait() != 0 { interrupted += 1 }
                let next = try harness.run("tick", "--json")
                #expect(next.status == 0, "kill \(number): \(next.errors)")
                #expect(try harness.damaged() == 0, "kill \(number)")
                // A killed tick leaves its prune to the next one that takes a snapshot.
                try harness.prune()
                for volume in ["data", "a", "b"] {
                    let rows = try harness.snapshots(volume)
                    let slot = harness.clock() / 900
                    let count = rows.count { Int($0.moment) / 900 == slot }
                    #expect(count == 1, "kill \(number): \(volume)")
                    #expect(rows.count <= 12, "kill \(number): \(volume)")
                    if volume != "data" {
                        #expect(rows.allSatisfy { $0.setId != nil }, "kill \(number)")
                    }
                }
                let sets = try (harness.snapshots("a") + harness.snapshots("b")).map(\.setId)
                #expect(Dictionary(grouping: sets) { $0 }.values.allSatisfy { $0.count == 2 })
            }
            #expect(interrupted > 0)
        }
    }
}
