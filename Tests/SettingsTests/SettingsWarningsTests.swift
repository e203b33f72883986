import Testing

@testable import Settings

@Suite struct SettingsWarningsTests {
    private func warnings(_ text: String) throws -> [String] {
        try Settings.load(text).warnings.map(\.description)
    }

    @Test func whatNothingUsesIsWarnedAbout() throws {
        let text = """
            [schedules.s]
            every = "1h"
            [policies.p]
            last = 1
            [hooks.h]
            after-thaw = ["/x"]
            """
        #expect(
            try warnings(text) == [
                "f.toml:1:1: warning: nothing uses the schedule \"s\"",
                "f.toml:3:1: warning: nothing uses the policy \"p\"",
                "f.toml:5:1: warning: nothing uses the hook \"h\"",
            ])
    }

    @Test func schedulesWithoutAPolicyAreWarnedAbout() throws {
        let text = """
            [volumes.a]
            schedules = ["s"]
            [sets.t]
            volumes = ["a"]
            [schedules.s]
            every = "1h"
            """
        #expect(
            try warnings(text) == [
                "f.toml:1:1: warning: volumes.a has schedules and no policy: all its snapshots are "
                    + "kept for ever (add policy = \"NAME\")"
            ])
        #expect(try warnings("policy = \"p\"\n\(text)\n[policies.p]\nlast = 5").isEmpty)
    }

    @Test(arguments: ["", "policy = \"all\""])
    func shortSchedulesWhoseSnapshotsAllStayAreWarnedAbout(_ policy: String) throws {
        let text = """
            [policies.all]
            last = "unlimited"
            [policies.use]
            last = 1
            [volumes.a]
            schedules = ["s"]
            safety-policy = "all"
            \(policy)
            [schedules.s]
            every = "4m"
            """
        let expected =
            "f.toml:5:1: warning: volumes.a: a snapshot every 4m by \"s\", all of which are kept "
            + "for ever (add a policy with limits, or a longer every)"
        #expect(try warnings(text).contains(expected))
        let (longer, other) = (
            text.replacing("4m", with: "5m"), expected.replacing("4m", with: "5m")
        )
        #expect(try !warnings(longer).contains(other))
        #expect(
            try !warnings(text.replacing("schedules = [\"s\"]", with: "schedules = []"))
                .contains(expected))
    }

    @Test func monthsThatMayBeTakenForMinutesAreWarnedAbout() throws {
        func text(_ period: String) -> String {
            "policy = \"p\"\n[policies.p]\nwithin = \"\(period)\""
        }
        #expect(
            try warnings(text("15m")) == [
                "f.toml:3:10: warning: policies.p.within: m is months here, and minutes elsewhere "
                    + "(write mo for months, or min for minutes)"
            ])
        for period in ["15mo", "15min", "1y2mo3d", "7d"] {
            #expect(try warnings(text(period)) == [])
        }
        // What stood in a file before means what it meant.
        let (old, new) = (try Settings.load(text("1y6m")), try Settings.load(text("1y6mo")))
        #expect(old.policies == new.policies)
    }

    @Test func aScheduleThatIsNeverDueIsWarnedAbout() throws {
        #expect(
            try warnings("[schedules.s]\ncalendar = \"*-02-30\"").contains(
                "f.toml:1:1: warning: the schedule \"s\" is never due ('systemd-analyze calendar' "
                    + "shows what an expression means)"))
    }

    @Test func aPolicyWithoutRulesIsWarnedAbout() throws {
        #expect(
            try warnings("policy = \"p\"\n[policies.p]\ndaily = 0") == [
                "f.toml:2:1: warning: the policy \"p\" has no rule that keeps anything, and so "
                    + "keeps everything"
            ])
    }

    @Test func aScheduleThatReachesAVolumeTwiceIsWarnedAbout() throws {
        let text = """
            policy = "p"
            [volumes.a]
            schedules = ["s"]
            [volumes.b]
            [sets.t]
            volumes = ["a", "b"]
            schedules = ["s"]
            [schedules.s]
            every = "1h"
            [policies.p]
            last = 5
            """
        #expect(
            try warnings(text) == [
                "f.toml:2:1: warning: volumes.a gets two snapshots by \"s\", of volumes.a and of "
                    + "sets.t"
            ])
    }
}
