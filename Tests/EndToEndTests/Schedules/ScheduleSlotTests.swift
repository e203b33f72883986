import Foundation
import Testing

extension ScheduledTests {
    /// Which slots are taken, and which not.
    @Suite struct ScheduleSlotTests {
        static let quarterHourly = """
            time-zone = "UTC"
            [volumes.data]
            schedules = ["q"]
            [schedules.q]
            every = "15m"

            """

        @Test("a slot is never taken twice, however often tick runs")
        func once() throws {
            let harness = try ScheduledHarness(Self.quarterHourly, start: "2026-11-23 00:01:01")
            #expect(try harness.tick().slots.isEmpty)
            #expect(try harness.tick(at: "2026-11-23 00:15:00").slots.count == 1)
            for time in ["00:15:01", "00:15:02", "00:20:00", "00:25:00"] {
                #expect(try harness.tick(at: "2026-11-23 \(time)").slots.isEmpty, "\(time)")
            }
            let slot = try #require(try harness.tick(at: "2026-11-23 00:30:30").slots.first)
            #expect(slot.slot.toSecond == "2026-11-23T00:30:00")
            #expect(try harness.tick().slots.isEmpty)
            #expect(try harness.snapshots().count == 2)
        }

        @Test("ticks at once take a slot once")
        func parallel() throws {
            let harness = try ScheduledHarness(Self.quarterHourly, start: "2026-11-23 00:01:01")
            try harness.tick()
            for round in 1...4 {
                try harness.advance(minutes: 15)
                let ticks = try (0..<4).map { _ in try harness.start("tick") }
                let statuses = try ticks.map { try $0.wait() }
                #expect(statuses.allSatisfy { $0 == 0 || $0 == 11 }, "\(statuses)")
                #expect(statuses.contains(0))
                #expect(try harness.snapshots().count == round)
            }
        }

        @Test("after downtime one snapshot stands for all missed slots, and says how many")
        func catchUp() throws {
            let harness = try ScheduledHarness(Self.quarterHourly, start: "2026-11-23 00:01:01")
            try harness.tick()
            try harness.tick(at: "2026-11-23 00:15:01")
            let late = try harness.tick(at: "2026-11-25 10:07:00")
            #expect(late.slots.count == 1)
            let slot = try #require(late.slots.first)
            #expect(slot.slot.toSecond == "2026-11-25T10:00:00")
            // 00:30 on the first day to 09:45 on the third, both ends included.
            #expect(slot.missed == 2 * 96 + 38)
            #expect(try harness.tick().slots.isEmpty)
            try harness.setClock("2026-11-25 14:16:00")
            let told = try harness.succeed("tick")
            #expect(told.contains("16 missed"), "\(told)")
            #expect(try harness.snapshots().count == 3)
        }

        @Test("a dry run takes nothing, and says what is due")
        func dryRun() throws {
            let harness = try ScheduledHarness(Self.quarterHourly, start: "2026-11-23 00:01:01")
            try harness.tick()
            try harness.setClock("2026-11-23 00:15:01")
            let due = try harness.json(ScheduledHarness.Tick.self, "tick", "-n")
            #expect(due.slots.map(\.outcome) == ["due"])
            #expect(try harness.snapshots().isEmpty)
            #expect(try harness.tick().slots.map(\.outcome) == ["taken"])
        }

        @Test("a clock set back takes no slot again, and goes on with the next one")
        func clockBack() throws {
            let harness = try ScheduledHarness(Self.quarterHourly, start: "2026-11-23 00:01:01")
            try harness.tick()
            for time in ["00:15", "00:30", "00:45", "01:00"] {
                try harness.tick(at: "2026-11-23 \(time):02")
            }
            for time in ["00:15", "00:30", "00:45", "01:00"] {
                #expect(try harness.tick(at: "2026-11-23 \(time):03").slots.isEmpty, "\(time)")
            }
            let next = try harness.tick(at: "2026-11-23 01:15:03").slots
            #expect(next.map(\.missed) == [0])
            #expect(try harness.snapshots().count == 5)
        }

        @Test("a clock that ran months ahead leaves no gap once it is right again")
        func clockFarBack() throws {
            let harness = try ScheduledHarness(Self.quarterHourly, start: "2026-11-23 00:01:01")
            try harness.tick()
            try harness.tick(at: "2026-11-23 00:15:02")
            #expect(try harness.tick(at: "2027-03-01 10:00:02").slots.count == 1)
            // One per slot again, at the latest from the second slot on.
            try harness.setClock("2026-11-23 00:30:02")
            _ = try harness.run("tick")
            let count = try harness.snapshots().count
            for number in 1...3 {
                try harness.advance(minutes: 15)
                _ = try harness.run("tick")
                #expect(try harness.snapshots().count == count + number)
            }
        }

        @Test("a clock set forward takes one snapshot, not a storm")
        func clockForward() throws {
            let harness = try ScheduledHarness(Self.quarterHourly, start: "2026-11-23 00:01:01")
            try harness.tick()
            try harness.tick(at: "2026-11-23 00:15:02")
            #expect(try harness.tick(at: "2026-11-23 05:20:00").slots.map(\.missed) == [19])
            #expect(try harness.tick(at: "2026-11-23 05:30:00").slots.map(\.missed) == [0])
            #expect(try harness.snapshots().count == 3)
        }

        @Test("if-unchanged skip takes no snapshot until something was written")
        func unchanged() throws {
            let harness = try ScheduledHarness(
                Self.quarterHourly + "if-unchanged = \"skip\"\n", start: "2026-11-23 00:01:01")
            try harness.serve()
            try harness.tick()
            #expect(try harness.tick(at: "2026-11-23 00:15:01").slots.map(\.outcome) == ["taken"])
            for time in ["00:30", "00:45"] {
                let slots = try harness.tick(at: "2026-11-23 \(time):01").slots
                #expect(slots.map(\.outcome) == ["unchanged"])
                #expect(try harness.tick().slots.isEmpty, "an unchanged slot is served, too")
            }
            #expect(try harness.snapshots().count == 1)
            try harness.qemu("data", "write -P 7 64K 4K")
            #expect(try harness.tick(at: "2026-11-23 01:00:01").slots.map(\.outcome) == ["taken"])
            #expect(
                try harness.tick(at: "2026-11-23 01:15:01").slots.map(\.outcome) == ["unchanged"])
            #expect(try harness.snapshots().count == 2)
        }

        @Test("several schedules of a volume each take their slots, under their names")
        func several() throws {
            let harness = try ScheduledHarness(
                """
                time-zone = "UTC"
                [volumes.data]
                schedules = ["q", "office"]
                [schedules.q]
                every = "15m"
                [schedules.office]
                calendar = "Mon..Fri *-*-* 09..18:00"
                """, start: "2026-11-20 08:46:00")
            try harness.tick()
            try harness.tick(at: "2026-11-20 09:00:01")
            try harness.tick(at: "2026-11-20 09:15:01")
            // The next day is a Saturday.
            try harness.tick(at: "2026-11-21 10:00:01")
            try harness.tick(at: "2026-11-21 11:00:01")
            let names = try harness.snapshots().map { $0.schedule ?? "" }
            #expect(names.count { $0 == "office" } == 2)
            #expect(names.count { $0 == "q" } == 4)
        }
    }
}
