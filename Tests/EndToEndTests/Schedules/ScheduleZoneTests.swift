import Foundation
import Testing

extension ScheduledTests {
    /// The weekends on which clocks change.
    @Suite struct ScheduleZoneTests {
        /// Zone, and the moment of the change in UTC.
        static let changes = [
            ("Europe/Vienna", "2026-03-29 01:00:00"), ("Europe/Vienna", "2026-10-25 01:00:00"),
            ("America/New_York", "2026-03-08 07:00:00"),
            ("America/New_York", "2026-11-01 06:00:00"),
            ("Australia/Lord_Howe", "2026-04-04 15:00:00"),
            ("Australia/Lord_Howe", "2026-10-03 15:30:00"),
        ]

        @Test("a change of the clocks gives neither doubles nor gaps", arguments: changes)
        func quarters(zone: String, change: String) throws {
            let change = try ScheduledHarness.seconds(change)
            let harness = try ScheduledHarness(
                """
                time-zone = "\(zone)"
                [volumes.data]
                schedules = ["q"]
                [schedules.q]
                every = "15m"
                """, start: "2026-01-01 00:00:00")
            try harness.setClock(change - 75 * 60 - 14 * 60)
            try harness.tick()
            for minutes in stride(from: -75.0, through: 90, by: 15) {
                try harness.setClock(change + minutes * 60 + 2)
                #expect(try harness.tick().slots.map(\.missed) == [0], "\(minutes)")
                #expect(try harness.tick().slots.isEmpty, "\(minutes)")
            }
            #expect(try harness.snapshots().count == 12)
        }

        @Test("a daily time that the change skips or repeats is taken once each day")
        func nightly() throws {
            for day in ["2026-03-28", "2026-10-24"] {
                let harness = try ScheduledHarness(
                    """
                    time-zone = "Europe/Vienna"
                    [volumes.data]
                    schedules = ["nightly"]
                    [schedules.nightly]
                    calendar = "*-*-* 02:30"
                    """, start: day + " 00:00:00")
                try harness.tick()
                for number in 1...3 {
                    for _ in 0..<12 {
                        try harness.advance(minutes: 30)
                        try harness.tick()
                    }
                    #expect(try harness.snapshots().count == number, "\(day)")
                    try harness.advance(minutes: 18 * 60)
                }
            }
        }
    }
}
