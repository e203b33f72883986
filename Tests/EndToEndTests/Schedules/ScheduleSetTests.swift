import Foundation
import SnapshotModel
import TestKit
import Testing

extension ScheduledTests {
    /// Sets of volumes, of which some are served.
    @Suite struct ScheduleSetTests {
        private static let volumes = ["a", "b", "c"]
        private static let settings = """
            time-zone = "UTC"
            [volumes.a]
            [volumes.b]
            [volumes.c]
            [sets.trio]
            volumes = ["a", "b", "c"]
            schedules = ["q"]
            [schedules.q]
            every = "15m"
            tags = ["auto"]
            """

        /// One volume served by one process, two by another, or one of them by none.
        private func scene(_ second: [String]) throws -> ScheduledHarness {
            let harness = try ScheduledHarness(
                Self.settings, volumes: Self.volumes, start: "2026-11-23 00:01:01")
            try harness.serve("a", socket: "one.sock")
            if second == ["b"] {
                try harness.serve("b", socket: "two.sock")
            } else {
                try harness.serve("b", "c", socket: "two.sock")
            }
            try harness.tick()
            try harness.setClock("2026-11-23 00:15:01")
            return harness
        }

        private struct Sets: Decodable {
            struct Row: Decodable {
                var id: Int
                var name: String?
                var volumes: [String]
                var snapshots: [Int]
                var heldUs: Int?
            }
            var sets: [Row]
        }

        private func sets(_ harness: ScheduledHarness) throws -> [Sets.Row] {
            try harness.json(Sets.self, "list", "--set").sets
        }

        @Test(
            "a set is taken whole, whoever serves its volumes, and tells how long they were held",
            arguments: [["b", "c"], ["b"]])
        func whole(second: [String]) throws {
            let harness = try scene(second)
            let slot = try #require(try harness.tick().slots.first)
            #expect(slot.outcome == "taken")
            #expect(slot.snapshots.count == 3)
            let set = try #require(try sets(harness).first)
            #expect(set.id == slot.setId)
            #expect(set.volumes.sorted() == Self.volumes)
            #expect(set.snapshots.sorted() == slot.snapshots.sorted())
            #expect((set.heldUs ?? 0) > 0)
            print("a set of three was held for \(set.heldUs ?? 0) us")
            let rows = try harness.snapshots()
            #expect(rows.map(\.volume).sorted() == Self.volumes)
            #expect(rows.allSatisfy { $0.setId == set.id && $0.schedule == "q" })
            #expect(try harness.tick().slots.isEmpty)
            try harness.succeed("revert", "set:\(set.id)", "--wait", "--yes")
        }

        @Test("a set shows no later write of one volume without the earlier one of another")
        func instant() throws {
            let harness = try scene(["b", "c"])
            // Each write of the round begins when the one before it was acknowledged.
            let writer = Background<Int> { isWanted in
                let clients = [
                    try harness.client("a", socket: "one.sock"),
                    try harness.client("b", socket: "two.sock"),
                    try harness.client("c", socket: "two.sock"),
                ]
                var round = 0
                while isWanted() {
                    round += 1
                    let bytes = (0..<8).map { UInt8(truncatingIfNeeded: round >> (56 - 8 * $0)) }
                    for client in clients { try client.write(bytes, at: 0) }
                }
                return round
            }
            for _ in 0..<6 {
                Instant.sleep(0.05)
                try harness.tick()
                try harness.advance(minutes: 15)
            }
            #expect(try writer.stop() > 0)
            let sets = try sets(harness)
            #expect(sets.count == 6)
            for set in sets {
                let rounds = try Self.volumes.map { volume in
                    let id = try #require(
                        try harness.snapshots(volume).first { $0.setId == set.id }?.id)
                    let socket = volume == "a" ? "one.sock" : "two.sock"
                    let bytes = try harness.client("\(volume)@\(id)", socket: socket).read(0..<8)
                    return bytes.reduce(0) { $0 << 8 | Int($1) }
                }
                #expect(rounds[0] >= rounds[1], "\(rounds)")
                #expect(rounds[1] >= rounds[2], "\(rounds)")
                #expect(rounds[0] - rounds[2] <= 1, "\(rounds)")
            }
        }

        @Test("a set with a missing member fails as a whole")
        func missing() throws {
            let harness = try ScheduledHarness(
                Self.settings, volumes: ["a", "b"], start: "2026-11-23 00:01:01")
            _ = try harness.run("tick")
            try harness.setClock("2026-11-23 00:15:01")
            let result = try harness.run("tick")
            #expect(result.status == 1 || result.status == 3, "\(result.status)")
            #expect(result.errors.contains("c"), "\(result.errors)")
            #expect(try harness.snapshots().isEmpty)
            // It is taken when its last volume has come.
            try harness.succeed("volume", "create", "c", "--origin", "c.img", "--create-size", "1M")
            #expect(try harness.tick().slots.map(\.outcome) == ["taken"])
            #expect(try harness.snapshots().count == 3)
        }

        @Test("a set with a member whose origin has gone fails as a whole")
        func lost() throws {
            let harness = try ScheduledHarness(
                Self.settings, volumes: Self.volumes, start: "2026-11-23 00:01:01")
            try harness.tick()
            try harness.setClock("2026-11-23 00:15:01")
            try FileManager.default.moveItem(
                atPath: harness.path("c.img"), toPath: harness.path("away.img"))
            let result = try harness.run("tick")
            #expect(result.status == 5, "\(result.status)")
            #expect(result.errors.contains("c.img"), "\(result.errors)")
            #expect(try harness.snapshots().isEmpty)
            try FileManager.default.moveItem(
                atPath: harness.path("away.img"), toPath: harness.path("c.img"))
            #expect(try harness.tick().slots.map(\.outcome) == ["taken"])
            #expect(try harness.snapshots().count == 3)
        }

        @Test("a volume that fails does not keep others from their snapshots")
        func others() throws {
            let harness = try ScheduledHarness(
                """
                time-zone = "UTC"
                [volumes.a]
                schedules = ["q"]
                [volumes.b]
                schedules = ["q"]
                [schedules.q]
                every = "15m"
                """, volumes: ["a", "b"], start: "2026-11-23 00:01:01")
            try harness.tick()
            try harness.setClock("2026-11-23 00:15:01")
            unlink(harness.path("a.img"))
            let result = try harness.run("tick")
            #expect(result.status == 3, "\(result.status)")
            #expect(result.errors.contains("a"))
            #expect(try harness.snapshots().map(\.volume) == ["b"])
        }
    }
}
