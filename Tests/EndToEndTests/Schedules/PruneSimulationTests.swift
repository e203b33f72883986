import Foundation
import Testing

extension ScheduledTests {
    /// `policy simulate`, against a count that is made here.
    @Suite struct PruneSimulationTests {
        private struct Answer: Decodable {
            struct Simulation: Decodable {
                struct Kept: Decodable {
                    var takenAt: String
                    var reasons: [String]
                }
                struct Sample: Decodable {
                    var at: String
                    var count: Int
                }
                var target: String
                var taken: Int
                var kept: [Kept]
                var samples: [Sample]
            }
            var simulations: [Simulation]
        }

        private static let settings = """
            time-zone = "UTC"
            policy = "p"
            [volumes.data]
            schedules = ["q"]
            [schedules.q]
            every = "15m"
            [policies.p]
            last = 8
            hourly = 48
            daily = 30
            weekly = 8
            monthly = 12
            quarterly = 3
            yearly = "unlimited"

            """

        /// The slots that a year of pruning leaves: the oldest of each of the newest buckets.
        private static func survivors(of slots: [Int]) -> Set<Int> {
            var calendar = Calendar(identifier: .iso8601)
            calendar.timeZone = .gmt
            func bucket(_ parts: Set<Calendar.Component>) -> (Int) -> String {
                { slot in
                    let date = Date(timeIntervalSince1970: Double(slot))
                    let found = calendar.dateComponents(parts, from: date)
                    let numbers = [
                        found.year, found.yearForWeekOfYear, found.weekOfYear, found.month,
                        found.day,
                    ]
                    return numbers.map { $0.map(String.init) ?? "" }.joined(separator: "-")
                }
            }
            let month = bucket([.year, .month])
            let rules: [(count: Int, bucket: (Int) -> String)] = [
                (48, { String($0 / 3600) }), (30, { String($0 / 86_400) }),
                (8, bucket([.yearForWeekOfYear, .weekOfYear])), (12, month),
                (
                    3,
                    { slot in
                        let parts = month(slot).split(separator: "-")
                        return "\(parts[0]) \(((Int(parts[1]) ?? 0) - 1) / 3)"
                    }
                ), (.max, bucket([.year])),
            ]
            var kept = Set(slots.suffix(8))
            for rule in rules {
                var seen: [String] = []
                var oldest: [String: Int] = [:]
                for slot in slots.reversed() {
                    let name = rule.bucket(slot)
                    if oldest[name] == nil { seen.append(name) }
                    oldest[name] = slot
                }
                kept.formUnion(seen.prefix(rule.count).compactMap { oldest[$0] })
            }
            return kept
        }

        @Test("a simulated year keeps what a count by hand keeps, without any volume")
        func year() throws {
            let harness = try ScheduledHarness(
                Self.settings, volumes: [], start: "2026-11-23 00:07:01")
            let answer = try harness.json(Answer.self, "policy", "simulate", "--for", "1y")
            let simulation = try #require(answer.simulations.first)
            #expect(simulation.target == "volume:data")
            let start = Int(try ScheduledHarness.seconds("2026-11-23 00:15:00"))
            let slots = Array(stride(from: start, to: start + 365 * 86_400 - 600, by: 900))
            #expect(simulation.taken == slots.count)
            let kept = try simulation.kept.map { Int(try ScheduledHarness.seconds($0.takenAt)) }
            #expect(Set(kept) == Self.survivors(of: slots))
            #expect(simulation.kept.allSatisfy { !$0.reasons.isEmpty })
            #expect(simulation.samples.last?.count == kept.count)
            for sample in simulation.samples.dropLast() {
                let end = Int(try ScheduledHarness.seconds(sample.at))
                let known = Self.survivors(of: slots.filter { $0 <= end })
                #expect(sample.count == known.count, "\(sample.at)")
            }
        }

        @Test("a simulation goes on from the snapshots that there are, and changes nothing")
        func existing() throws {
            let harness = try ScheduledHarness(Self.settings, start: "2026-11-23 00:07:01")
            try harness.tick()
            for _ in 0..<3 {
                try harness.advance(minutes: 15)
                try harness.tick()
            }
            let before = try harness.snapshots().map(\.id)
            #expect(before.count == 3)
            let text = try harness.succeed("policy", "simulate", "data", "--for", "1y")
            #expect(text.contains("hourly(48)"))
            let answer = try harness.json(Answer.self, "policy", "simulate", "data", "--for", "1d")
            let simulation = try #require(answer.simulations.first)
            #expect(simulation.taken == 96)
            // The next one was taken a quarter of an hour later, and the slots are full quarters.
            let first = try ScheduledHarness.seconds("2026-11-23 00:22:01")
            #expect(
                simulation.kept.contains {
                    let moment = (try? ScheduledHarness.seconds($0.takenAt)) ?? 0
                    return (first - 1..<first + 450).contains(moment)
                })
            #expect(try harness.snapshots().map(\.id) == before)
            #expect(try harness.run("policy", "simulate", "nobody").status == 4)
        }
    }
}
