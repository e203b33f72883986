import Foundation
import SnapshotModel
import Testing

extension ScheduledTests {
    /// Programs around snapshots and reverts.
    @Suite struct HookTests {
        private static let events = [
            "before-freeze", "after-thaw", "after-snapshot", "before-revert", "after-revert",
            "on-failure",
        ]

        /// A volume with hooks, each of which writes its event and name to `log`, and then runs
        /// `NAME-EVENT`, if there is such a script in the folder of the test.
        private func scene(_ hooks: [(name: String, more: String)]) throws -> ScheduledHarness {
            let harness = try ScheduledHarness("", start: "2026-11-23 00:01:01")
            let names = hooks.map { "\"\($0.name)\"" }.joined(separator: ", ")
            let script = harness.path("hook")
            try harness.commandLine.write(
                program: """
                    #!/bin/sh
                    cd "$FOLDER" || exit 9
                    echo "$1 $2" >>log
                    env >"env-$1-$2"
                    script="./$1-$2"
                    [ ! -e "$script" ] || . "$script"
                    """, to: script)
            var settings = ScheduleSlotTests.quarterHourly.replacing(
                "schedules = [\"q\"]", with: "schedules = [\"q\"]\nhooks = [\(names)]")
            for hook in hooks {
                settings += "[hooks.\(hook.name)]\n\(hook.more)\n"
                settings += "environment = { FOLDER = \"\(harness.folder)\", OWN = \"a b\" }\n"
                for event in Self.events {
                    settings += "\(event) = [\"\(script)\", \"\(hook.name)\", \"\(event)\"]\n"
                }
            }
            try harness.write(settings: settings)
            try harness.tick()
            try harness.setClock("2026-11-23 00:15:01")
            return harness
        }

        private func variables(_ harness: ScheduledHarness, _ name: String) -> [String: String] {
            let pairs = harness.lines("env-\(name)").map {
                $0.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            }
            return Dictionary(
                pairs.filter { $0.count == 2 }.map { (String($0[0]), String($0[1])) }
            ) { first, _ in first }
        }

        @Test("before-programs run first to last, after-programs last to first")
        func order() throws {
            let harness = try scene([("one", ""), ("two", ""), ("three", "")])
            #expect(try harness.tick().slots.map(\.outcome) == ["taken"])
            let log = harness.lines("log")
            #expect(
                log.filter { $0.hasSuffix("before-freeze") }
                    == ["one", "two", "three"].map { $0 + " before-freeze" })
            #expect(
                log.filter { $0.hasSuffix("after-thaw") }
                    == ["three", "two", "one"].map { $0 + " after-thaw" })
            #expect(
                log.filter { $0.hasSuffix("after-snapshot") }
                    == ["three", "two", "one"].map { $0 + " after-snapshot" })
            #expect(log.count == 9)
            #expect(log.prefix(3).allSatisfy { $0.hasSuffix("before-freeze") })
        }

        @Test("programs see what is done, their own variables, and what came of it")
        func environment() throws {
            let harness = try scene([("one", "")])
            let tick = try harness.tick()
            let id = try #require(tick.slots.first?.snapshots.first)
            let before = variables(harness, "one-before-freeze")
            #expect(before["SNAPMGR_EVENT"] == "before-freeze")
            #expect(before["SNAPMGR_HOOK"] == "one")
            #expect(before["SNAPMGR_VOLUMES"] == "data")
            #expect(before["SNAPMGR_VOLUME"] == "data")
            #expect(before["SNAPMGR_SCHEDULE"] == "q")
            #expect(before["SNAPMGR_REQUESTED_BY"]?.isEmpty == false)
            #expect(before["OWN"] == "a b")
            #expect(before["SNAPMGR_RESULT"] == nil)
            let after = variables(harness, "one-after-snapshot")
            #expect(after["SNAPMGR_EVENT"] == "after-snapshot")
            #expect(after["SNAPMGR_RESULT"] == "ok")
            #expect(after["SNAPMGR_SNAPSHOT_IDS"] == "\(id)")
            #expect(after["SNAPMGR_SNAPSHOT_ID"] == "\(id)")
        }

        @Test("a fatal before-program that fails ends the snapshot, and what ran is thawed")
        func fatal() throws {
            let harness = try scene([("one", ""), ("two", ""), ("three", "")])
            try harness.write("echo no database >&2; exit 3", to: "two-before-freeze")
            let result = try harness.run("tick")
            #expect(result.status == 1 || result.status == 3, "\(result.status)")
            #expect(result.errors.contains("two"), "\(result.errors)")
            #expect(try harness.snapshots().isEmpty)
            let log = harness.lines("log")
            #expect(log.contains("one after-thaw"))
            #expect(!log.contains("three before-freeze"))
            #expect(!log.contains("three after-thaw"))
            #expect(!log.contains { $0.hasSuffix("after-snapshot") })
            #expect(log.contains("one on-failure"))
            #expect(variables(harness, "one-after-thaw")["SNAPMGR_RESULT"] == "failed")
            // The slot is due still, and the next tick takes it.
            unlink(harness.path("two-before-freeze"))
            #expect(try harness.tick().slots.map(\.outcome) == ["taken"])
            #expect(try harness.snapshots().count == 1)
        }

        @Test("a before-program that is not fatal may fail, and the snapshot is taken")
        func tolerated() throws {
            let harness = try scene([("one", "fatal = false"), ("two", "")])
            try harness.write("exit 3", to: "one-before-freeze")
            let result = try harness.run("tick")
            #expect(result.errors.contains("one"), "\(result.errors)")
            #expect(try harness.snapshots().count == 1)
            #expect(harness.lines("log").contains("two after-thaw"))
        }

        @Test("a program that takes too long is ended, and what ran is thawed")
        func timeout() throws {
            let harness = try scene([("one", ""), ("two", "timeout = \"1s\"")])
            try harness.write("sleep 900 & sleep 900", to: "two-before-freeze")
            let begin = Instant.now
            let result = try harness.run("tick")
            #expect(Instant.now - begin < 600)
            #expect(result.status == 1 || result.status == 3, "\(result.status)")
            #expect(result.errors.contains("two"), "\(result.errors)")
            #expect(try harness.snapshots().isEmpty)
            #expect(harness.lines("log").contains("one after-thaw"))
        }

        @Test("what is frozen is thawed though the command is killed")
        func watchdog() throws {
            let harness = try scene([("one", ""), ("two", "timeout = \"2m\"")])
            try harness.write("touch frozen; sleep 100", to: "two-before-freeze")
            let tick = try harness.start("tick")
            try harness.await("the freeze") { harness.exists("frozen") }
            tick.kill()
            try harness.await("the thaw") { harness.lines("log").contains("one after-thaw") }
            unlink(harness.path("two-before-freeze"))
            // The lock may be held until the watchdog has ended.
            try harness.await("the next tick") { try harness.run("tick").status == 0 }
            #expect(try harness.snapshots().count == 1)
            #expect(try harness.damaged() == 0)
            let log = harness.lines("log")
            #expect(log.count { $0 == "one after-thaw" } == 2)
            // The watchdog uses what the clock's library made for the command.
            withExtendedLifetime(tick) {}
        }

        @Test("a revert runs its programs around it, and a failing one refuses it")
        func revert() throws {
            let harness = try scene([("one", ""), ("two", "")])
            let id = try #require(try harness.tick().slots.first?.snapshots.first)
            try harness.serve()
            try harness.qemu("data", "write -P 9 0 64K")
            try harness.awaitNoClients(snapshot: id)
            unlink(harness.path("log"))
            try harness.succeed("revert", "\(id)", "--wait", "--yes")
            let log = harness.lines("log").filter { $0.hasSuffix("revert") }
            #expect(
                log == [
                    "one before-revert", "two before-revert", "two after-revert",
                    "one after-revert",
                ])
            #expect(variables(harness, "one-after-revert")["SNAPMGR_SNAPSHOT_ID"] == "\(id)")
            try harness.qemu("data", "write -P 8 0 64K")
            try harness.awaitNoClients(snapshot: id)
            try harness.write("exit 1", to: "two-before-revert")
            let refused = try harness.run("revert", "\(id)", "--wait", "--yes")
            #expect(refused.status == 1, "\(refused.errors)")
            try harness.qemu("data", "read -P 8 0 64K")
            #expect(harness.lines("log").last == "one on-failure")
        }

        @Test("a dry run runs no programs")
        func dryRun() throws {
            let harness = try scene([("one", "")])
            try harness.succeed("tick", "-n")
            #expect(harness.lines("log").isEmpty)
        }
    }
}
