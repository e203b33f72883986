import Foundation
import Testing

extension ScheduledTests {
    /// A set of the settings, named on the command line as a volume is.
    @Suite struct NamedSetTests {
        private static let settings = """
            [volumes.boot]
            [volumes.logs]
            [sets.vm1]
            volumes = ["boot", "logs"]
            schedules = ["q"]
            hooks = ["h"]
            [schedules.q]
            every = "15m"
            [hooks.h]
            before-freeze = ["FOLDER/hook", "freeze"]
            after-thaw = ["FOLDER/hook", "thaw"]
            """

        private func scene() throws -> ScheduledHarness {
            let harness = try ScheduledHarness(
                Self.settings, volumes: ["boot", "logs"], start: "2026-11-23 00:01:01")
            try harness.write(
                settings: Self.settings.replacing("FOLDER", with: harness.folder))
            try harness.commandLine.write(
                program: "#!/bin/sh\necho \"$1 $SNAPMGR_SET\" >>\(harness.folder)/said\n",
                to: harness.path("hook"))
            return harness
        }

        @Test(
            "its snapshot runs its hooks, its schedule's sets are found by age, and it reverts whole"
        )
        func whole() throws {
            let harness = try scene()
            try harness.succeed("snapshot", "vm1", "--name", "before")
            #expect(harness.lines("said") == ["freeze vm1", "thaw vm1"])
            try harness.tick()
            for time in ["00:15:01", "00:30:01", "02:45:01"] {
                try harness.tick(at: "2026-11-23 \(time)")
            }
            struct Shown: Decodable {
                struct Set: Decodable { var id: Int, name: String?, volumes: [String] }
                var set: Set
            }
            let latest = try harness.json(Shown.self, "show", "vm1@latest").set
            #expect(latest.volumes == ["boot", "logs"])
            let old = try harness.json(Shown.self, "show", "vm1@2h").set
            let named = try harness.json(Shown.self, "show", "vm1@before").set
            #expect(named.id < old.id && old.id < latest.id)
            #expect(try harness.snapshots("vm1").count == 8)
            let ambiguous = try harness.run("show", "vm1", "--json")
            #expect(ambiguous.status == 2)
            #expect(try harness.failure(ambiguous).code == "ambiguous")
            #expect(try harness.succeed("revert", "vm1@2h", "--yes").contains("volume logs reads"))
            #expect(try harness.succeed("diff", "vm1@before", "vm1@live").contains("volume boot"))
            #expect(try harness.succeed("list", "vm1").contains("set_id".uppercased()) == false)
            #expect(try harness.succeed("list", "vm1").contains("SET"))
            #expect(try harness.succeed("status", "vm1").contains("boot"))
        }

        @Test("its volumes alone are not it, which is said where its hooks would run")
        func volumesAlone() throws {
            let harness = try scene()
            let result = try harness.run("snapshot", "boot", "logs")
            #expect(result.status == 0)
            #expect(result.errors.contains("`snapmgr snapshot vm1`"), "\(result.errors)")
            #expect(harness.lines("said").isEmpty)
            #expect(try harness.run("snapshot", "boot").errors.isEmpty)
        }

        @Test("config check refuses a set with a volume's name, and a tick goes on all the same")
        func sameName() throws {
            let harness = try scene()
            try harness.tick()
            try harness.write(
                settings: try harness.commandLine.text(harness.path("snapmgr.toml"))
                    .replacing("[sets.vm1]", with: "[sets.boot]"))
            let checked = try harness.run("config", "check")
            #expect(checked.status == 2)
            #expect(checked.errors.contains("[sets.boot]"), "\(checked.errors)")
            #expect(try harness.run("snapshot", "boot").status == 2)
            try harness.tick(at: "2026-11-23 00:15:01")
            let tick = try harness.tick(at: "2026-11-23 00:30:01")
            #expect(tick.slots.map(\.outcome) == ["taken"])
        }

        @Test("the parser's errors are one document, as all others, and exit with 2")
        func parserErrors() throws {
            let harness = try CommandLineHarness()
            let wrong = try harness.run("lst", "--json")
            #expect(wrong.status == 2 && wrong.output.isEmpty)
            let document = try JSONSerialization.jsonObject(with: Data(wrong.errors.utf8))
            let error = (document as? [String: [String: Any]])?["error"]
            #expect(error?["code"] as? String == "usage")
            #expect((error?["hint"] as? String)?.contains("did you mean `list`?") == true)
            let plain = try harness.run("list", "--nme", "x")
            #expect(plain.status == 2)
            #expect(
                plain.errors == "snapmgr: `list` has no option --nme\n"
                    + "hint: did you mean `--name`? Else see `snapmgr list --help`\n")
            let words = try harness.run("help", "words")
            #expect(words.status == 0 && words.output.contains("exclusive"))
        }
    }
}
