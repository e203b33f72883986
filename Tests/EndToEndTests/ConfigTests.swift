import Foundation
import Testing

extension ScheduledTests {
    /// Settings files, as `config` tells of them.
    @Suite struct ConfigTests {
        private func scene(_ settings: String) throws -> ScheduledHarness {
            let harness = try ScheduledHarness("", volumes: [], start: "2026-11-23 00:01:01")
            // To the letter: lines are told.
            try harness.write(settings, to: "snapmgr.toml")
            return harness
        }

        @Test("all errors are told at once, each with file, line, column and the nearest key")
        func errors() throws {
            let harness = try scene(
                """
                time-zone = "Europe/Viena"
                polcy = "p"
                [volumes.data]
                schedule = ["q"]
                policy = "none"
                [schedules.q]
                every = "15x"
                [schedules.r]
                calendar = "Mon..Fry 09:00"
                [policies.p]
                hourly = "many"
                [mirrors.x]
                """)
            let result = try harness.run("config", "check")
            #expect(result.status == 2)
            let file = harness.path("snapmgr.toml")
            for (place, words) in [
                ("1:13", ["Europe/Viena", "Europe/Vienna"]), ("2:1", ["polcy", "\"policy\""]),
                ("4:1", ["schedule", "\"schedules\""]), ("5:10", ["none"]), ("7:", ["x"]),
                ("9:", ["Fry"]), ("11:10", ["hourly"]), ("12:", ["later version"]),
            ] {
                let line = result.errors.split(separator: "\n").first {
                    $0.contains("\(file):\(place)")
                }
                for word in words {
                    #expect(line?.contains(word) == true, "\(place) \(word): \(result.errors)")
                }
            }
            let told = try harness.failure(try harness.run("config", "check", "--json"))
            #expect(told.code == "usage")
            #expect(told.message.contains("\(file):2:1"))
            for command in [["tick"], ["prune"], ["policy", "simulate"]] {
                #expect(try harness.run(command).status == 2, "\(command)")
            }
        }

        @Test(
            "values that cannot be right are errors",
            arguments: [
                "[schedules.q]\nevery = \"30s\"", "[schedules.q]\nevery = \"-15m\"",
                "[schedules.q]\nevery = \"15m\"\ncalendar = \"daily\"", "[schedules.q]",
                "[schedules.q]\ncalendar = \"*-13-*\"", "[policies.p]\nlast = -2",
                "[policies.p]\nwithin = \"7\"", "[policies.p]\ngrid = \"1x1h | 24y1h\"",
                "[policies.p]\nprefer = \"best\"", "[policies.p]\nnames = [\"(\"]",
                "free-space-floor = \"120%\"", "free-space-floor = \"20 bananas\"",
                "[hooks.h]\nbefore-freeze = \"a line without shell\"",
                "[hooks.h]\nbefore-freeze = [\"relative/path\"]", "[hooks.h]",
                "[sets.s]\nvolumes = [\"nobody\"]", "[sets.s]\nvolumes = []",
                "[volumes.a]\nhooks = [\"h\", \"h\"]", "policy = \"p\"\npolicy = \"p\"",
                "time-zone = \"../../etc/passwd\"", "[volumes.\"a/b\"]", "\"open = 1", "x",
            ])
        func invalid(settings: String) throws {
            let harness = try scene(settings)
            let result = try harness.run("config", "check")
            #expect(result.status == 2)
            let place = try Regex("snapmgr\\.toml:[0-9]+:[0-9]+: ")
            #expect(result.errors.contains(place), "\(result.errors)")
        }

        private struct Shown: Decodable {
            struct Setting: Decodable {
                var table: String
                var key: String
                var value: String?
                var source: String
                var file: String?
                var line: Int?
            }
            var settings: [Setting]
        }

        private func shown(_ harness: ScheduledHarness) throws -> [String: Shown.Setting] {
            let settings = try harness.json(Shown.self, "config", "show").settings
            return Dictionary(settings.map { ("\($0.table) \($0.key)", $0) }) { $1 }
        }

        @Test("config show tells each value and where it comes from, conf.d included")
        func sources() throws {
            let harness = try scene("policy = \"p\"\n[policies.p]\nlast = 7\n")
            try FileManager.default.createDirectory(
                atPath: harness.path("conf.d"), withIntermediateDirectories: true)
            try harness.write(
                "[volumes.data]\nschedules = [\"q\"]\n", to: "conf.d/20-volumes.toml")
            try harness.write("\n\n[schedules.q]\nevery = \"15m\"\n", to: "conf.d/10-q.toml")
            try harness.write("not read", to: "conf.d/notes.txt")
            #expect(try harness.run("config", "check").status == 0)
            let values = try shown(harness)
            let last = try #require(values["policies.p last"])
            #expect(last.value == "7")
            #expect(last.file == harness.path("snapmgr.toml"))
            #expect(last.line == 3)
            let every = try #require(values["schedules.q every"])
            #expect(every.value == "\"15m\"")
            #expect(every.file == harness.path("conf.d/10-q.toml"))
            #expect(every.line == 4)
            // What a table inherits comes from where it is written.
            #expect(values["volumes.data policy"]?.file == harness.path("snapmgr.toml"))
            #expect(values["volumes.data policy"]?.line == 1)
            #expect(values["schedules.q if-unchanged"]?.source == "default")
            #expect(values["schedules.q if-unchanged"]?.value == "\"take\"")
        }

        @Test("a table that two files have is an error that names both places")
        func twice() throws {
            let harness = try scene("[schedules.q]\nevery = \"15m\"\n")
            try FileManager.default.createDirectory(
                atPath: harness.path("conf.d"), withIntermediateDirectories: true)
            try harness.write("[schedules.q]\nevery = \"1h\"\n", to: "conf.d/a.toml")
            let result = try harness.run("config", "check")
            #expect(result.status == 2)
            #expect(result.errors.contains("conf.d/a.toml:1:"))
            #expect(result.errors.contains(harness.path("snapmgr.toml")), "\(result.errors)")
        }

        @Test("what config show prints is a settings file that means the same")
        func roundTrip() throws {
            let harness = try scene(
                """
                policy = "p"
                [volumes.data]
                schedules = ["q"]
                [schedules.q]
                calendar = "Mon..Fri *-*-* 09..18:00/15"
                time-zone = "America/New_York"
                [policies.p]
                last = 7
                every = { "15m" = 96 }
                tags = [["keep"], ["a", "b"]]
                """)
            let before = try shown(harness)
            try harness.write(try harness.succeed("config", "show"), to: "snapmgr.toml")
            let after = try shown(harness)
            #expect(before.mapValues(\.value) == after.mapValues(\.value))
        }

        @Test("a file that is named and missing is an error, and none at all is none")
        func missing() throws {
            let harness = try scene("")
            for command in [["config", "check"], ["tick"], ["config", "show"], ["prune"]] {
                let result = try harness.run(["--config", "nowhere.toml"] + command)
                #expect(result.status == 2)
                #expect(result.errors.contains("nowhere.toml"))
            }
            #expect(try harness.run("config", "check").status == 0)
            #expect(try harness.run("tick").status == 0)
        }
    }
}
