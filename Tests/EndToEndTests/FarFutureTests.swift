import Foundation
import TestKit
import Testing

extension ScheduledTests {
    /// The years in which moments are counted in microseconds.
    @Suite struct FarFutureTests {
        static let settings = """
            time-zone = "UTC"
            policy = "day"
            [volumes.data]
            schedules = ["q", "leap"]
            [schedules.q]
            every = "15m"
            [schedules.leap]
            calendar = "*-02-29 12:00"
            [policies.day]
            within = "1d"
            """

        @Test("M4: snapshots are taken, listed, due, pruned, reverted and rebuilt in the year 2400")
        func year2400() throws {
            let harness = try ScheduledHarness(
                Self.settings, start: "2400-02-28 23:50:10", bootedAt: "2400-01-01 00:00:00")
            let before = try harness.snapshot("data", "--name", "before")
            #expect(try harness.tick().slots.isEmpty)
            // 2400 is a leap year.
            let slots = try harness.tick(at: "2400-02-29 12:00:05").slots
            #expect(Set(slots.map(\.schedule)) == ["q", "leap"])
            #expect(slots.allSatisfy { $0.slot.toSecond == "2400-02-29T12:00:00" })
            #expect(slots.contains { $0.missed == 48 })
            let taken = try harness.snapshots()
            #expect(taken.first?.takenAt.hasPrefix("2400-02-28T23:5") == true)
            #expect(taken.map(\.takenAt) == taken.map(\.takenAt).sorted())
            #expect(try harness.succeed("list", "--utc").contains("2400-02-29 12:"))
            let found = try harness.succeed("show", "data@2400-02-29T12:00Z", "--json")
            #expect(found.contains("2400-02-28T23:5"), "\(found)")
            try revert(to: before, harness)
            // Everything that was taken so far is older than a day but what people asked for.
            try harness.tick(at: "2400-03-02 12:00:05")
            let left = try harness.snapshots()
            #expect(!left.contains { $0.takenAt < "2400-03-01" && $0.kind == "scheduled" })
            #expect(left.contains { $0.takenAt.hasPrefix("2400-03-02T12:") })
            #expect(try harness.damaged() == 0)
            try FileManager.default.removeItem(atPath: harness.path("state/catalog.sqlite"))
            try harness.succeed("catalog", "rebuild")
            #expect(try harness.snapshots().map(\.takenAt) == left.map(\.takenAt))
        }

        private func revert(to snapshot: Int, _ harness: ScheduledHarness) throws {
            let server = try harness.serve()
            try harness.client().write([UInt8](repeating: 1, count: 4096), at: 0)
            try harness.stop(server)
            try harness.succeed("revert", "\(snapshot)", "--wait", "--yes")
            let safety = try harness.snapshots().filter { $0.kind == "safety" }
            #expect(safety.map { $0.takenAt.hasPrefix("2400-02-29T12:") } == [true])
        }

        @Test("M4: the last second of 2500 is recorded, and the next one refused")
        func end() throws {
            let harness = try ScheduledHarness(
                Self.settings, start: "2500-12-31 23:50:10", bootedAt: "2500-01-01 00:00:00")
            try harness.tick()
            try harness.snapshot()
            try harness.jumpClock(to: ScheduledHarness.seconds("2501-01-01 00:00:01"))
            for arguments in [["snapshot", "data"], ["tick"], ["prune"]] {
                let result = try harness.run(arguments)
                #expect(result.status == 1 && result.errors.contains("after 2500"), "\(result)")
            }
            let list = try harness.run("list", "--utc")
            #expect(list.status == 0 && list.output.contains("2500-12-31 23:5"), "\(list)")
        }
    }
}
