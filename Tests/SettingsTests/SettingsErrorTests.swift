import SnapshotModel
import Testing

@testable import Settings

/// A document, and every error that it must bring, with its place.
struct ErrorCase: Sendable, CustomTestStringConvertible {
    var text: String
    var errors: [String]

    init(_ text: String, _ errors: String...) {
        self.text = text
        self.errors = errors
    }

    var testDescription: String { errors.first ?? text }
}

@Suite struct SettingsErrorTests {
    @Test(arguments: top + tables + references)
    func errorsOfKeysNameThePlaceAndTheNearestName(_ sample: ErrorCase) {
        #expect(Settings.errors(sample.text) == sample.errors)
    }

    @Test(arguments: schedules + policies + hooks)
    func errorsOfValuesNameThePlaceAndTheWayOut(_ sample: ErrorCase) {
        #expect(Settings.errors(sample.text) == sample.errors)
    }

    @Test func allErrorsAreToldSortedByTheirPlaces() {
        let text = """
            polcy = "x"
            [volumes.a]
            schedules = ["s", "nix"]
            [schedules.s]
            every = "10x"
            [hooks.h]
            fatal = 1
            """
        #expect(
            Settings.errors(text).map { $0.prefix(while: { $0 != " " }) } == [
                "f.toml:1:1:", "f.toml:3:19:", "f.toml:5:12:", "f.toml:6:1:", "f.toml:7:9:",
            ])
    }

    @Test func beyondAHundredErrorsOnlyTheirNumberIsTold() {
        let text = (0..<150).map { "key\($0) = 1\n" }.joined()
        let errors = Settings.errors(text)
        #expect(errors.count == 101)
        #expect(errors.last == "50 more errors")
    }

    @Test func oneErrorBecomesAProblemWithItsHint() throws {
        let failure = try #require(throws: SettingsFailure.self) {
            try Settings.load("polcy = \"a\"")
        }
        #expect(failure.problem(.plain).code == .usage)
        #expect(failure.problem(.plain).message == "f.toml:1:1: unknown key \"polcy\"")
        #expect(failure.problem(.plain).hint == "did you mean \"policy\"?")
    }

    @Test func severalErrorsBecomeOneProblemWithALineForEach() throws {
        let failure = try #require(throws: SettingsFailure.self) {
            try Settings.load("polcy = \"a\"\nnix = 1")
        }
        #expect(
            failure.problem(.plain).message
                == "f.toml:1:1: unknown key \"polcy\" (did you mean \"policy\"?)\n"
                + "f.toml:2:1: unknown key \"nix\"")
    }

    static let top: [ErrorCase] = [
        .init("polcy = \"a\"", "f.toml:1:1: unknown key \"polcy\" (did you mean \"policy\"?)"),
        .init("volume = 1", "f.toml:1:1: unknown key \"volume\" (did you mean \"volumes\"?)"),
        .init("zzz = 1", "f.toml:1:1: unknown key \"zzz\""),
        .init("policy = 1", "f.toml:1:10: policy must be a policy's name, not an integer"),
        .init(
            "free-space-floor = 5",
            "f.toml:1:20: free-space-floor must be a share or a size in quotes, such as \"5%\" or "
                + "\"20GiB\", not an integer"),
        .init(
            "free-space-floor = \"5 parsecs\"",
            "f.toml:1:20: free-space-floor: \"5 parsecs\" is neither a share nor a size "
                + "(write it as \"5%\" (below 100%) or \"20GiB\")"),
        .init(
            "free-space-floor = \"100%\"",
            "f.toml:1:20: free-space-floor: \"100%\" is neither a share nor a size "
                + "(write it as \"5%\" (below 100%) or \"20GiB\")"),
        .init(
            "write-back = 64",
            "f.toml:1:14: write-back must be \"off\" or a size from 1 MiB to 2 GiB, not an integer"),
        .init(
            "write-back = \"4GiB\"",
            "f.toml:1:14: write-back cannot be \"4GiB\" (write \"off\" or a size from 1 MiB to 2 GiB)"
        ),
        .init(
            "time-zone = \"Europe/Viena\"",
            "f.toml:1:13: time-zone: there is no time zone \"Europe/Viena\" "
                + "(did you mean \"Europe/Vienna\"?)"),
        .init(
            "time-zone = \"../../etc/passwd\"",
            "f.toml:1:13: time-zone: \"../../etc/passwd\" is not a time zone's name "
                + "(names are such as \"Europe/Vienna\" and \"UTC\")"),
        .init(
            "[mirrors.x]\nhost = \"a\"",
            "f.toml:1:2: mirrors come with a later version of snapmgr (remove mirrors)"),
    ]

    static let tables: [ErrorCase] = [
        .init(
            "[volumes.a]\npolicy = 1.5\nhoks = []",
            "f.toml:2:10: volumes.a.policy must be a policy's name, not a number with a point",
            "f.toml:3:1: unknown key \"hoks\" in volumes.a (did you mean \"hooks\"?)"),
        .init(
            "[[volumes]]\nname = \"a\"",
            "f.toml:1:1: volumes must be tables with names, not an array (write [volumes.NAME])"),
        .init(
            "[[volumes.a]]",
            "f.toml:1:1: volumes.a must be a table, not an array (write [volumes.NAME])"),
        .init(
            "[volumes]\na = 1",
            "f.toml:2:5: volumes.a must be a table, not an integer (write [volumes.NAME])"),
        .init(
            "[volumes.\"a/b\"]",
            "f.toml:1:10: \"a/b\" is not a name for a volume (a name has up to 64 of a-z A-Z 0-9 . _ "
                + "- and begins with a letter or digit)"),
        .init(
            "[volumes.a]\n[volumes.a]",
            "f.toml:2:10: volumes.a is given twice (it is in line 1 already)"),
        .init(
            "[volumes.a]\nhooks = []\nhooks = []",
            "f.toml:3:1: volumes.a.hooks is given twice (it is in line 2 already)"),
        .init("volumes.a.x = 1", "f.toml:1:11: unknown key \"x\" in volumes.a"),
        .init("volumes = { a = { x = 1 } }", "f.toml:1:19: unknown key \"x\" in volumes.a"),
        .init(
            "[sets.s]\nvolumes = []", "f.toml:2:11: sets.s.volumes is empty"),
        .init(
            "[sets.s]",
            "f.toml:1:1: sets.s has no volumes (add volumes = [\"NAME\", \"NAME\"])"),
        .init(
            "[volumes.a]\n[sets.s]\nvolumes = [\"a\", \"a\"]",
            "f.toml:3:17: sets.s.volumes has \"a\" twice (it is in line 3 already)"),
        .init(
            "[volumes.a]\n[sets.s]\nvolumes = [\"a\"]\n[sets.s]\nvolumes = [\"a\"]",
            "f.toml:4:7: sets.s is given twice (it is in line 2 already)"),
    ]

    static let references: [ErrorCase] = [
        .init(
            "policy = \"standrad\"\n[policies.standard]\nlast = 1",
            "f.toml:1:10: policy: there is no policy \"standrad\" (did you mean \"standard\"?)"),
        .init(
            "[volumes.a]\nschedules = [\n  \"x\", # one\n  \"houry\"]\n[schedules.hourly]\nevery = \"1h\"",
            "f.toml:3:3: volumes.a.schedules: there is no schedule \"x\" "
                + "(define it with a table schedules.x)",
            "f.toml:4:3: volumes.a.schedules: there is no schedule \"houry\" "
                + "(did you mean \"hourly\"?)"),
        .init(
            "[volumes.a]\nhooks = [\"é\", \"db\"]\n[hooks.db]\nafter-thaw = [\"/x\"]",
            "f.toml:2:10: volumes.a.hooks: there is no hook \"é\" (define it with a table "
                + "hooks.\"é\")"),
        .init(
            "[volumes.vm1-root]\n[sets.s]\nvolumes = [\"vm1-boot\"]",
            "f.toml:3:12: sets.s.volumes: there is no volume \"vm1-boot\" "
                + "(did you mean \"vm1-root\"?)"),
        .init(
            "[volumes.a]\nschedules = \"x\"",
            "f.toml:2:13: volumes.a.schedules must be an array of names of schedules, not a text"),
        .init(
            "[volumes.a]\nschedules = [1]",
            "f.toml:2:14: volumes.a.schedules must be an array of names of schedules, not an "
                + "integer"),
    ]

    static let schedules: [ErrorCase] = [
        .init(
            "[schedules.s]",
            "f.toml:1:1: schedules.s has neither every nor calendar "
                + "(add every = \"15m\" or calendar = \"daily\")"),
        .init(
            "[schedules.s]\nevery = \"1h\"\ncalendar = \"daily\"",
            "f.toml:3:12: schedules.s has both every and calendar "
                + "(keep one of them, and make a schedule of the other)"),
        .init(
            "[schedules.s]\nevery = 15",
            "f.toml:2:9: schedules.s.every must be a duration in quotes, such as \"15m\", not an "
                + "integer"),
        .init(
            "[schedules.s]\nevery = \"30s\"",
            "f.toml:2:9: schedules.s.every is 30s (a schedule can be due every minute at most)"),
        .init(
            "[schedules.s]\nevery = \"1h30q\"",
            "f.toml:2:14: schedules.s.every: q is not a unit of time; the units are s, m, h, d and "
                + "w"),
        // With escapes a place in the text is none in the file.
        .init(
            "[schedules.s]\nevery = \"1h\\u00330q\"",
            "f.toml:2:9: schedules.s.every: q is not a unit of time; the units are s, m, h, d and "
                + "w"),
        .init(
            "[schedules.s]\nevery = \"1h\"\nif-unchanged = \"skp\"",
            "f.toml:3:16: schedules.s.if-unchanged is \"take\" or \"skip\", not \"skp\" "
                + "(did you mean \"skip\"?)"),
        .init(
            "[schedules.s]\nevery = \"1h\"\ntags = [\"a\", \"\", \"a\"]",
            "f.toml:3:14: schedules.s.tags has an empty tag",
            "f.toml:3:18: schedules.s.tags has \"a\" twice (it is in line 3 already)"),
        .init(
            "[schedules.s]\ncalendar = \"daily Europe/Vienna\"\ntime-zone = \"UTC\"",
            "f.toml:3:13: schedules.s has a time zone in calendar, too (keep one of them)"),
        .init(
            "[schedules.s]\ncalendar = \"daily Europe/Wien\"",
            "f.toml:2:12: schedules.s.calendar: there is no time zone \"Europe/Wien\" "
                + "(did you mean \"Europe/Vienna\"?)"),
    ]

    static let policies: [ErrorCase] = [
        .init(
            "[policies.p]\nlast = -2",
            "f.toml:2:8: policies.p.last must be a count, not -2 "
                + "(a count is 0 or more, or \"unlimited\")"),
        .init(
            "[policies.p]\ndaily = \"many\"",
            "f.toml:2:9: policies.p.daily must be a count, not a text "
                + "(a count is 0 or more, or \"unlimited\")"),
        .init(
            "[policies.p]\nevery = { \"15m\" = 96, \"15x\" = 1, \"2h\" = true }",
            "f.toml:2:23: policies.p.every.15x: x is not a unit; the units are m (minutes), h, d, "
                + "w, month, quarter and y",
            "f.toml:2:41: policies.p.every.2h must be a count, not true or false "
                + "(a count is 0 or more, or \"unlimited\")"),
        .init(
            "[policies.p]\nevery = { 15m = 1, \"15 min\" = 2 }",
            "f.toml:2:20: policies.p.every.\"15 min\" is the same as \"15m\""),
        .init(
            "[policies.p]\nevery = \"15m\"",
            "f.toml:2:9: policies.p.every must be a table of counts, not a text "
                + "(write { \"15m\" = 96 })"),
        .init(
            "[policies.p]\ntags = [\"keep\"]",
            "f.toml:2:9: policies.p.tags must be an array of arrays of tags, not a text "
                + "(a snapshot is kept that has all tags of a list: [[\"keep\"]])"),
        .init("[policies.p]\ntags = [[]]", "f.toml:2:9: policies.p.tags has an empty list"),
        .init(
            "[policies.p]\nprefer = \"old\"",
            "f.toml:2:10: policies.p.prefer is \"oldest\" or \"newest\", not \"old\""),
        .init(
            "[policies.p]\nnot-mirrored = \"true\"",
            "f.toml:2:16: policies.p.not-mirrored must be true or false, not a text "
                + "(without quotes)"),
        .init(
            "[policies.p]\nwithin = 2026-11-22",
            "f.toml:2:10: policies.p.within must be a length of time in quotes, such as \"7d\", "
                + "not a date or time"),
    ]

    static let hooks: [ErrorCase] = [
        .init(
            "[hooks.h]\ntimeout = \"5s\"",
            "f.toml:1:1: hooks.h has no program "
                + "(add before-freeze = [\"/path/of/program\"], or an address, or another event)"),
        .init(
            "[hooks.h]\nafter-thaw = [\"thaw.sh\", \"x\"]",
            "f.toml:2:15: hooks.h.after-thaw: \"thaw.sh\" is not an absolute path "
                + "(hooks run without a search path: write the program's whole path)"),
        .init("[hooks.h]\nafter-thaw = []", "f.toml:2:14: hooks.h.after-thaw has no program"),
        .init(
            "[hooks.h]\nafter-thaw = \"/x\"",
            "f.toml:2:14: hooks.h.after-thaw must be an array of a program's path and its "
                + "arguments, not a text "
                + "(write [\"/path/of/program\", \"argument\"], or add shell = true)"),
        .init(
            "[hooks.h]\nafter-thaw = [\"/x\", 1]",
            "f.toml:2:21: hooks.h.after-thaw must be an array of texts, not an integer"),
        .init(
            "[hooks.h]\nafter-thaw = [\"/x\"]\ntimeout = \"0s\"",
            "f.toml:3:11: hooks.h.timeout is 0s (it is from 1s to 1d)"),
        .init(
            "[hooks.h]\nafter-thaw = [\"/x\\u0000y\"]",
            "f.toml:2:15: hooks.h.after-thaw has a NUL character"),
        .init(
            "[hooks.h]\nafter-thaw = [\"/x\"]\nenvironment = { \"1A\" = \"x\", SNAPMGR_X = \"y\", B = 2 }",
            "f.toml:3:17: hooks.h.environment.1A is not a name of a variable "
                + "(letters, digits and _, first a letter or _)",
            "f.toml:3:29: hooks.h.environment.SNAPMGR_X: names with SNAPMGR_ are for what snapmgr "
                + "tells hooks",
            "f.toml:3:50: hooks.h.environment.B must be a text, not an integer"),
    ]
}
