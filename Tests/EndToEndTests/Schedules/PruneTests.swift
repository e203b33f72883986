import Foundation
import SnapshotModel
import TestKit
import Testing

extension ScheduledTests {
    /// What policies let go, what they keep, and what they say about it.
    @Suite struct PruneTests {
        /// A volume that is snapshotted every 15 minutes, without a policy yet, and `policy` with
        /// one.
        private static func settings(_ rules: String, more: String = "") -> String {
            """
            time-zone = "UTC"
            policy = "p"
            \(more)
            [volumes.data]
            schedules = ["q"]
            [schedules.q]
            every = "15m"
            [policies.p]
            \(rules)
            """
        }

        /// A volume with scheduled snapshots, whose writes each cost one chunk of the store; they
        /// are numbered from 1 on, the first at 01:00.
        private func scene(_ rules: String, count: Int) throws -> ScheduledHarness {
            let harness = try ScheduledHarness(
                Self.settings(""), size: "2M", start: "2026-11-23 00:46:01")
            try harness.tick()
            let server = try harness.serve()
            do {
                let client = try harness.client()
                try client.write([UInt8](repeating: 1, count: 2 << 20), at: 0)
                for number in 0..<count {
                    try client.write(
                        [UInt8](repeating: UInt8(number + 2), count: 65_536),
                        at: number % 30 * 65_536)
                    try harness.advance(minutes: number == 0 ? 14.5 : 15)
                    try harness.succeed("tick", "--no-prune")
                }
            }
            try harness.stop(server)
            try harness.write(settings: Self.settings(rules))
            return harness
        }

        private func ids(_ harness: ScheduledHarness) throws -> [Int] {
            try harness.snapshots().map(\.id)
        }

        @Test("the oldest of each bucket stays, and as many buckets as the policy counts")
        func buckets() throws {
            // 01:00 to 04:45.
            let harness = try scene("last = 2\nhourly = 3\nevery = { \"30m\" = 3 }", count: 16)
            let plan = try harness.prune("-n", "--explain")
            #expect(plan.dryRun)
            #expect(try ids(harness) == Array(1...16))
            try harness.prune()
            // Hours 02, 03, 04; halves 03:30, 04:00, 04:30; the last two.
            #expect(try ids(harness) == [5, 9, 11, 13, 15, 16])
            let again = try harness.prune()
            #expect(again.removed == 0)
            #expect(again.freedBytes == 0)
        }

        @Test("prefer newest keeps the newest of each bucket")
        func newest() throws {
            let harness = try scene("hourly = 2\nprefer = \"newest\"", count: 10)
            try harness.prune()
            #expect(try ids(harness) == [8, 10])
        }

        @Test("a snapshot that a client reads stays until it has gone, and keeps nobody else")
        func reader() throws {
            let harness = try scene("last = 1", count: 4)
            let server = try harness.serve()
            do {
                let client = try harness.client("data@2")
                let plan = try #require(try harness.prune("-n", "--explain").volumes.first)
                #expect(plan.removed.map(\.id) == [1, 3])
                #expect(plan.explained.first { $0.id == 2 }?.keptBy == ["read"])
                let done = try #require(try harness.prune().volumes.first)
                #expect(done.error == nil)
                #expect(done.removed.map(\.id) == [1, 3])
                #expect(try ids(harness) == [2, 4])
                #expect(try client.read(0..<1) == [2])
            }
            try harness.awaitNoClients(snapshot: 2)
            try harness.prune()
            #expect(try ids(harness) == [4])
            try harness.stop(server)
        }

        @Test(
            "H4, daily 5: a dry run changes nothing, and the run then tells what the filesystem got back"
        )
        func bytes() throws {
            let harness = try scene("last = 4", count: 12)
            let state = harness.path("state")
            let before = try allocated(state + "/stores")
            let plan = try harness.prune("-n", "--explain")
            #expect(try ids(harness) == Array(1...12))
            #expect(try allocated(state + "/stores") == before)
            let volume = try #require(plan.volumes.first)
            #expect(volume.removed.map(\.id) == Array(1...8))
            #expect(plan.freedBytes > 0)
            // Together more goes than alone: chunks that only those that go share.
            #expect(volume.removed.map(\.aloneBytes).reduce(0, +) <= plan.freedBytes)
            let done = try harness.prune()
            // Areas that go as a whole have headers, too.
            #expect(done.freedBytes >= plan.freedBytes)
            #expect(done.removed == plan.removed)
            let freed = before - (try allocated(state + "/stores"))
            // Each snapshot is a folder, a record and a seal, too, and the index may have a map of them.
            #expect(
                (0...(volume.removed.count + 1) * 12_288).contains(freed - done.freedBytes),
                "\(freed) of \(done.freedBytes)")
            #expect(try harness.damaged() == 0)
        }

        private func allocated(_ folder: String) throws -> Int {
            // Some filesystems tell what a file takes when they have written it out.
            sync()
            let names = try FileManager.default.subpathsOfDirectory(atPath: folder)
            return try names.map { try allocatedBytes(folder + "/" + $0) }.reduce(0, +)
        }

        @Test("explain names a rule and a reason for every snapshot, and an end for what stays")
        func explains() throws {
            let harness = try scene("last = 2\nhourly = 2", count: 9)
            let volume = try #require(try harness.prune("-n", "--explain").volumes.first)
            let removed = Set(volume.removed.map(\.id))
            let kept = Set(volume.explained.map(\.id)).subtracting(removed)
            #expect(removed == [1, 2, 3, 4, 6, 7])
            #expect(kept == [5, 8, 9])
            for row in volume.removed {
                #expect(row.reasons.contains { $0.hasPrefix("last(2)") }, "\(row)")
                #expect(row.reasons.contains { $0.hasPrefix("hourly(2)") }, "\(row)")
            }
            for row in volume.explained where kept.contains(row.id) {
                #expect(!row.keptBy.isEmpty)
                #expect(!row.reasons.isEmpty)
                #expect(row.expiresAt != nil, "\(row)")
            }
            let text = try harness.succeed("prune", "-n", "--explain")
            for id in 1...9 {
                let line = text.split(separator: "\n").first {
                    $0.split(separator: " ").first == "\(id)"
                }
                #expect(line?.contains("(2)") == true, "\(id): \(text)")
            }
        }

        @Test("list and show tell which rules keep a snapshot, and until when it stays")
        func expiry() throws {
            let harness = try scene("last = 2\nhourly = 2", count: 9)
            try harness.prune()
            let rows = try harness.snapshots()
            #expect(rows.map(\.id) == [5, 8, 9])
            #expect(rows[0].keptBy == ["hourly(2)"])
            #expect(rows[1].keptBy == ["last(2)"])
            #expect(Set(rows[2].keptBy).isSuperset(of: ["last(2)", "hourly(2)"]))
            #expect(rows[0].expiresAt?.toSecond == "2026-11-23T04:00:00")
            #expect(rows[1].expiresAt?.toSecond == "2026-11-23T03:15:00")
            let shown = try harness.json(Shown.self, "show", "5").snapshot
            #expect(shown.keptBy == ["hourly(2)"])
            #expect(shown.expiresAt == rows[0].expiresAt)
            #expect(try harness.succeed("show", "5").contains("hourly(2)"))
            // It goes when it was said to go, not before.
            for (time, isThere) in [("03:45:01", true), ("04:00:01", false)] {
                while harness.clock() < Int(try ScheduledHarness.seconds("2026-11-23 " + time)) {
                    try harness.advance(minutes: 15)
                    try harness.tick()
                }
                #expect(try ids(harness).contains(5) == isThere, "\(time)")
            }
        }

        private struct Shown: Decodable { var snapshot: ScheduledHarness.Snapshot }

        @Test("a held snapshot stays until it is released, or the hold ends")
        func holds() throws {
            let harness = try scene("last = 1", count: 5)
            try harness.succeed("hold", "1", "--reason", "audit")
            try harness.succeed("hold", "2", "--reason", "tax", "--until", "2026-11-23T06:00:00")
            let plan = try #require(try harness.prune("-n", "--explain").volumes.first)
            let reasons = plan.explained.filter { [1, 2].contains($0.id) }.flatMap(\.reasons)
            #expect(reasons.contains { $0.contains("audit") }, "\(reasons)")
            #expect(reasons.contains { $0.contains("tax") }, "\(reasons)")
            try harness.prune()
            #expect(try ids(harness) == [1, 2, 5])
            try harness.setClock("2026-11-23 06:00:01")
            try harness.prune()
            #expect(try ids(harness) == [1, 5])
            try harness.succeed("release", "1")
            try harness.prune()
            #expect(try ids(harness) == [5])
        }

        @Test("snapshots taken by hand stay, unless the policy includes them")
        func manual() throws {
            let harness = try scene("last = 1", count: 2)
            let manual = try harness.snapshot("data", "--name", "before")
            try harness.snapshot()
            try harness.advance(minutes: 15)
            try harness.tick()
            #expect(try harness.snapshots().map(\.kind) == ["manual", "manual", "scheduled"])
            try harness.write(settings: Self.settings("last = 1\ninclude-manual = true"))
            try harness.prune()
            #expect(try harness.snapshots().map(\.kind) == ["scheduled"])
            #expect(try harness.run("show", "\(manual)").status == 4)
        }

        @Test("safety snapshots follow the safety policy alone")
        func safety() throws {
            let harness = try scene("last = 1", count: 1)
            try harness.write(
                settings: Self.settings("last = 1", more: "safety-policy = \"s\"")
                    + "\n[policies.s]\nlast = 2\n")
            try harness.serve()
            for number in 0..<4 {
                try harness.qemu("data", "write -P \(number + 50) 0 4K")
                try harness.advance(minutes: 1)
                try harness.awaitNoClients(snapshot: 1)
                try harness.succeed("revert", "1", "--wait", "--yes")
            }
            let safeties = try harness.snapshots().filter { $0.kind == "safety" }.map(\.id)
            #expect(safeties.count == 4)
            try harness.prune()
            let rows = try harness.snapshots()
            #expect(rows.filter { $0.kind == "safety" }.map(\.id) == Array(safeties.suffix(2)))
            #expect(rows.contains { $0.kind == "scheduled" })
        }

        @Test("the newest snapshot never goes, whatever the policy says")
        func theNewest() throws {
            let harness = try scene("names = [\"^no such name$\"]", count: 3)
            try harness.setClock("2027-11-23 01:00:00")
            try harness.prune()
            #expect(try ids(harness) == [3])
        }

        @Test("a policy without rules, with zeros only, or none at all keeps everything")
        func everything() throws {
            let harness = try scene("", count: 4)
            for rules in ["", "last = 0\nhourly = 0\nyearly = 0"] {
                try harness.write(settings: Self.settings(rules))
                #expect(try harness.prune().removed == 0, "\(rules)")
            }
            try harness.write(settings: "")
            #expect(try harness.prune().removed == 0)
            #expect(try ids(harness).count == 4)
        }

        @Test("what a policy lets go of a served volume goes while clients read and write")
        func served() throws {
            let harness = try scene("last = 2", count: 6)
            try harness.serve()
            let client = try harness.client()
            let content = try client.readAll()
            let kept = try harness.client("data@5").readAll()
            #expect(try harness.prune().removed == 4)
            #expect(try client.readAll() == content)
            #expect(try harness.client("data@5").readAll() == kept)
            #expect(try harness.damaged() == 0)
        }
    }
}
