import Scheduler
import SnapshotModel
import Testing

@testable import Settings

@Suite struct SettingsValuesTests {
    private let sample = """
        policy = "standard"
        free-space-floor = "2.5%"
        write-back = "64MiB"
        [volumes]
        data = { schedules = ["often", "calm"], hooks = ["db", "web"] }
        [volumes.root]
        policy = "archive"
        safety-policy = "archive"
        free-space-floor = "20GiB"
        write-back = "off"
        [sets.both]
        volumes = ["root", "data"]
        schedules = ["calm"]
        hooks = ["web"]
        [schedules]
        often.every = "1h30m"
        [schedules.calm]
        calendar = "Mon..Fri 09:00"
        time-zone = "America/New_York"
        if-unchanged = "skip"
        tags = ["auto", "calm"]
        [policies.standard]
        time-zone = "Europe/Vienna"
        last = 8
        within = "6h"
        daily = -1
        yearly = "unlimited"
        within-weekly = "3m"
        every = { "15m" = 96, "2 weeks" = 3 }
        tags = [["keep"], ["monthly", "tax"]]
        names = ["^before-"]
        not-names = ["x$"]
        grid = "1x1h(keep=all) | 24x1h"
        not-mirrored = true
        prefer = "newest"
        include-manual = true
        [policies.archive]
        weekly = 5
        [hooks.db]
        before-freeze = ["/usr/bin/db", "freeze"]
        after-thaw = "echo $1 | logger"
        timeout = "2m"
        fatal = false
        shell = true
        environment = { PGDATA = "/srv/pg", EMPTY = "" }
        [hooks.web]
        after-snapshot = ["/usr/bin/web"]
        """

    @Test func schedulesHaveTheirTimetablesZonesAndTags() throws {
        let settings = try Settings.load(sample)
        let often = try #require(settings.schedules["often"])
        #expect(
            often == Schedule(name: "often", timetable: .every(TimeSpan(seconds: 5400)), zone: .utc)
        )
        let calm = try #require(settings.schedules["calm"])
        #expect(calm.timetable == .calendar(try CalendarExpression(parsing: "Mon..Fri 09:00")))
        #expect(calm.zone.name == "America/New_York")
        #expect(calm.ifUnchanged == .skip)
        #expect(calm.tags == ["auto", "calm"])
    }

    @Test("R8: policies have all their rules, not-mirrored among them")
    func policiesHaveAllTheirRules() throws {
        let policy = try #require(try Settings.load(sample).policies["standard"])
        #expect(policy.zone.name == "Europe/Vienna")
        #expect(policy.prefer == .newest)
        #expect(policy.appliesToManual)
        #expect(
            policy.rules == [
                .last(.atMost(8)), .within(try CalendarSpan(parsing: "6h")),
                .buckets(.daily, .all), .buckets(.yearly, .all),
                .withinBuckets(WithinBucketRule(.weekly, within: CalendarSpan(months: 3))),
                .buckets(BucketSpan(.minute, multiple: 15), .atMost(96)),
                .buckets(BucketSpan(.week, multiple: 2), .atMost(3)),
                .tags(TagRule(["keep"])), .tags(TagRule(["monthly", "tax"])),
                .names(NameRule(try NamePattern("^before-"))),
                .names(NameRule(try NamePattern("x$"), isNegated: true)),
                .grid(GridRule(try Grid(parsing: "1x1h(keep=all) | 24x1h"))),
                .notMirrored(NotMirroredRule()),
            ])
    }

    @Test func hooksHaveArgumentVectorsAndShellLinesRunInAShell() throws {
        let settings = try Settings.load(sample)
        #expect(
            settings.hooks["db"]
                == Hook(
                    name: "db",
                    programs: [
                        .beforeFreeze: ["/usr/bin/db", "freeze"],
                        .afterThaw: ["/bin/sh", "-c", "echo $1 | logger"],
                    ], timeoutSeconds: 120, isFatal: false,
                    environment: ["PGDATA": "/srv/pg", "EMPTY": ""]))
        #expect(
            settings.hooks["web"]
                == Hook(name: "web", programs: [.afterSnapshot: ["/usr/bin/web"]]))
    }

    @Test func volumesTakeWhatTheyLeaveOutFromTheTop() throws {
        let settings = try Settings.load(sample)
        let data = settings.volume("data")
        #expect(data.schedules.map(\.name) == ["often", "calm"])
        #expect(data.hooks.map(\.name) == ["db", "web"])
        #expect(data.policy?.name == "standard")
        #expect(data.policy?.policy == settings.policies["standard"])
        #expect(data.safetyPolicy == .builtInSafety)
        #expect(data.freeSpaceFloor == .percent(2.5))
        #expect(data.writeBack == .log(bytes: 64 << 20))
        let root = settings.volume("root")
        #expect(root.policy?.name == "archive")
        #expect(root.safetyPolicy.name == "archive")
        #expect(root.freeSpaceFloor == .bytes(20 << 30))
        #expect(root.writeBack == .off)
        let other = settings.volume("without-a-table")
        #expect(other.name == "without-a-table")
        #expect(other.schedules.isEmpty)
        #expect(other.policy?.name == "standard")
        #expect(other.freeSpaceFloor == .percent(2.5))
        #expect(other.writeBack == .log(bytes: 64 << 20))
    }

    @Test func setsKeepTheOrderOfTheirVolumesAndHaveThePolicyOfTheTop() throws {
        let settings = try Settings.load(sample)
        let both = try #require(settings.sets["both"])
        #expect(both.volumes == ["root", "data"])
        #expect(both.schedules.map(\.name) == ["calm"])
        #expect(both.policy?.name == "standard")
        #expect(both.hooks.map(\.name) == ["web"])
        #expect(settings.sets(of: "root") == [both])
        #expect(settings.sets(of: "other").isEmpty)
    }

    @Test func theZoneOfACalendarExpressionIsTheSchedules() throws {
        let settings = try Settings.load(
            "time-zone = \"UTC\"\n[schedules.s]\ncalendar = \"daily Europe/Vienna\"")
        #expect(settings.schedules["s"]?.zone.name == "Europe/Vienna")
    }

    @Test func noSettingsMeanThatNothingIsScheduledAndEverythingKept() throws {
        let settings = try Settings.load("")
        #expect(settings.volumes.isEmpty && settings.sets.isEmpty && settings.schedules.isEmpty)
        #expect(settings.volume("data").policy == nil)
        #expect(
            settings.volume("data").safetyPolicy.policy.rules == [
                .last(.atMost(2)), .within(CalendarSpan(days: 7)),
            ])
        #expect(settings.volume("data").freeSpaceFloor == .percent(5))
        #expect(settings.warnings.isEmpty)
    }

    @Test(arguments: [
        ("5%", FreeSpaceFloor.percent(5)), ("2.5 %", .percent(2.5)), ("0%", .percent(0)),
        ("99.9%", .percent(99.9)), ("20GiB", .bytes(20 << 30)), ("0", .bytes(0)),
    ])
    func floorsAreSharesOrSizes(_ text: String, _ floor: FreeSpaceFloor) {
        #expect(FreeSpaceFloor(text) == floor)
        #expect(FreeSpaceFloor(floor.description) == floor)
    }

    @Test(arguments: ["", "%", "100%", "-1%", "1e1%", "nan%", "5.5.5%", "five", "5%%"])
    func otherFloorsAreRefused(_ text: String) {
        #expect(FreeSpaceFloor(text) == nil)
    }

    @Test func aShareOfAFilesystemIsInBytes() {
        #expect(FreeSpaceFloor.percent(5).bytes(ofFilesystemBytes: 1000) == 50)
        #expect(FreeSpaceFloor.bytes(7).bytes(ofFilesystemBytes: 1000) == 7)
    }
}
