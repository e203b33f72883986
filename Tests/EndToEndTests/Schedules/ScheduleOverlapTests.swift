import Foundation
import SnapshotModel
import Testing

extension ScheduledTests {
    /// Ticks that find another tick at work, or nothing to do.
    @Suite struct ScheduleOverlapTests {
        /// A volume whose hook tells that it runs, and then waits for the file `go`.
        private func scene(_ event: String) throws -> ScheduledHarness {
            let harness = try ScheduledHarness("", start: "2026-11-23 00:01:01")
            let wait =
                "touch \(harness.path("started")); "
                + "while [ ! -e \(harness.path("go")) ]; do sleep 0.02; done"
            try harness.write(
                settings: ScheduleSlotTests.quarterHourly.replacing(
                    "schedules = [\"q\"]", with: "schedules = [\"q\"]\nhooks = [\"slow\"]")
                        + """
                        [hooks.slow]
                        \(event) = "\(wait)"
                        timeout = "5m"
                        shell = true
                        """)
            try harness.tick()
            try harness.setClock("2026-11-23 00:15:01")
            return harness
        }

        @Test("a tick that would take a slot leaves with 11 while another tick works on it")
        func overlap() throws {
            let harness = try scene("before-freeze")
            let first = try harness.start("tick")
            try harness.await("the hook") { harness.exists("started") }
            let second = try harness.run("tick", "--json")
            #expect(second.status == 11)
            #expect(try harness.failure(second).code == "locked")
            try harness.write("", to: "go")
            #expect(try first.wait() == 0)
            #expect(try harness.snapshots().count == 1)
            #expect(try harness.tick().slots.isEmpty)
        }

        @Test("a tick with nothing to do leaves with 0 while another tick works")
        func idleOverlap() throws {
            let harness = try scene("after-snapshot")
            let first = try harness.start("tick")
            try harness.await("the hook") { harness.exists("started") }
            let second = try harness.run("tick")
            #expect(second.status == 0, "\(second.errors)")
            try harness.write("", to: "go")
            #expect(try first.wait() == 0)
            #expect(try harness.snapshots().count == 1)
        }

        @Test(
            "a slow prune delays no snapshot",
            .enabled(if: isInstalled("strace"), "needs strace"))
        func slowPrune() throws {
            // Slower where the tick has taken longer than the prune.
            let isBeside = try [400_000, 1_500_000, 5_000_000].contains(where: tickBesidePrune)
            #expect(isBeside, "every prune had ended before the tick")
        }

        /// - Parameter delay: how long each of the prune's changes to the store takes, in
        ///   microseconds.
        /// - Returns: whether it still ran when the tick had taken its snapshot.
        private func tickBesidePrune(delay: Int) throws -> Bool {
            let settings = ScheduleSlotTests.quarterHourly
            let harness = try ScheduledHarness(settings, start: "2026-11-23 00:01:01")
            try harness.tick()
            for _ in 0..<6 {
                try harness.advance(minutes: 15)
                try harness.tick()
            }
            try harness.write(
                settings: "policy = \"p\"\n\(settings)\n[policies.p]\nlast = 1\n")
            let calls = "unlink,unlinkat,rename,renameat,renameat2,rmdir"
            let prune = try harness.startTool([
                "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=\(calls)", "-e",
                "inject=\(calls):delay_enter=\(delay)", CommandLineHarness.binary, "prune",
            ])
            try harness.await("the prune") {
                try harness.snapshots().contains { $0.state == "deleting" }
            }
            let begin = Instant.now
            try harness.advance(minutes: 15)
            let tick = try harness.run("tick", "--no-prune", "--json")
            #expect(tick.status == 0, "\(tick.errors)")
            let isBeside = prune.process.isRunning
            #expect(try harness.snapshots().last?.id == 7)
            print("a tick beside a slow prune took \(Int((Instant.now - begin) * 1000)) ms")
            #expect(try prune.wait() == 0)
            // At the latest now.
            _ = try harness.run("tick", "--no-prune")
            #expect(try harness.snapshots().map(\.id).suffix(2) == [6, 7])
            return isBeside
        }

        @Test("a tick with nothing to do writes nothing")
        func idle() throws {
            let harness = try ScheduledHarness(
                ScheduleSlotTests.quarterHourly, start: "2026-11-23 00:01:01")
            try harness.tick()
            try harness.tick(at: "2026-11-23 00:15:01")
            let before = try Self.stamps(harness.path("state"))
            let begin = Instant.now
            try harness.tick()
            print("an idle tick took \(Int((Instant.now - begin) * 1000)) ms")
            let after = try Self.stamps(harness.path("state"))
            #expect(after == before)
        }

        @Test(
            "a tick with nothing to do makes no call that writes",
            .enabled(if: isInstalled("strace"), "needs strace"))
        func idleCalls() throws {
            let harness = try ScheduledHarness(
                ScheduleSlotTests.quarterHourly, start: "2026-11-23 00:01:01")
            try harness.tick()
            try harness.tick(at: "2026-11-23 00:15:01")
            let calls =
                "pwrite64,write,writev,pwritev,fsync,fdatasync,ftruncate,fallocate,rename,"
                + "renameat,renameat2,unlink,unlinkat,mkdir,mkdirat"
            let traced = try harness.tool([
                "strace", "-f", "-y", "-qq", "-e", "signal=none", "-e", "trace=\(calls)", "-o",
                harness.path("calls"), CommandLineHarness.binary, "tick",
            ])
            #expect(traced.status == 0)
            let inState = harness.lines("calls").filter { $0.contains(harness.path("state")) }
            #expect(inState.isEmpty)
        }

        /// When each file and folder was last changed, in nanoseconds.
        private static func stamps(_ folder: String) throws -> [String: [Int]] {
            let names = try FileManager.default.subpathsOfDirectory(atPath: folder)
            var stamps: [String: [Int]] = [:]
            for name in [""] + names {
                var status = stat()
                guard stat(folder + "/" + name, &status) == 0 else {
                    throw Problem(.failed, "\(name) has gone")
                }
                stamps[name] = [
                    status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec,
                    status.st_ctim.tv_nsec, Int(status.st_ino),
                ]
            }
            return stamps
        }
    }
}
