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
                """, volumes: ["data", "a", "b"], start: "2026-11-23 00:01:01")
            try harness.tick()
            var scribbler = Scribbler(seed: 11)
            try harness.setClock("2026-11-23 00:15:01")
            let begin = Instant.now
            try harness.tick()
            // Some kills come late: after the tick has ended.
            var limit = (Instant.now - begin) * 1.2
            var interrupted = 0
            for number in 0..<32 {
                try harness.advance(minutes: 15)
                let tick = try harness.start("tick")
                let begin = Instant.now
                let delay = Double(scribbler.number(below: Int(limit * 1e6))) / 1e6
                while Instant.now < begin + delay, tick.process.isRunning { Instant.sleep(0.001) }
                // Each that is too late makes the next ones earlier.
                if !tick.process.isRunning {
                    limit = min(limit, max(0.01, (Instant.now - begin) * 1.1))
                }
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
