import Glibc
import Scheduler
import SnapshotModel
import Testing

@testable import Settings

@Suite struct TimeZoneFilesTests {
    private let summer = Timestamp(stored: 1_783_944_000 * 1_000_000_000)

    private func zones(
        _ files: MemoryFiles = .withZones(), _ environment: [String: String] = [:]
    ) -> TimeZoneFiles { TimeZoneFiles(files: files, environment: environment) }

    private func problem(_ body: () throws(Problem) -> Void) -> Problem? {
        do {
            try body()
            return nil
        } catch {
            return error
        }
    }

    @Test func aZoneIsReadFromTheDatabase() throws {
        let zone = try zones().zone(named: "Europe/Vienna")
        #expect(zone.name == "Europe/Vienna")
        #expect(zone.offsetSeconds(at: summer) == 7200)
    }

    @Test func theDatabaseMayBeElsewhere() throws {
        var files = MemoryFiles()
        files.contents["/zones/A/B"] = MemoryFiles.zoneFile("ABC-5")
        let zone = try zones(files, ["TZDIR": "/zones"]).zone(named: "A/B")
        #expect(zone.offsetSeconds(at: summer) == 5 * 3600)
    }

    @Test func utcNeedsNoDatabase() throws {
        #expect(try zones(MemoryFiles()).zone(named: "UTC") == .utc)
    }

    @Test(arguments: [
        "", "/etc/passwd", "../passwd", "Europe/../UTC", "Europe//Vienna", "Europe/", ".", "a b",
        "é", "A/\u{0}", String(repeating: "a", count: 65),
    ])
    func namesThatCouldLeadElsewhereAreRefused(_ name: String) {
        let problem = problem { () throws(Problem) in _ = try zones().zone(named: name) }
        #expect(problem?.message.hasSuffix("is not a time zone's name") == true)
    }

    @Test(arguments: [
        ("Europe/Viena", "did you mean \"Europe/Vienna\"?"),
        ("europe/vienna", "did you mean \"Europe/Vienna\"?"),
        ("UTV", "did you mean \"UTC\"?"),
        ("Mars/Olympus", "'ls /usr/share/zoneinfo' shows what there is"),
    ])
    func anUnknownZoneIsToldWithTheNearestOne(_ name: String, _ hint: String) {
        let problem = problem { () throws(Problem) in _ = try zones().zone(named: name) }
        #expect(problem?.message == "there is no time zone \"\(name)\"")
        #expect(problem?.hint?.description == hint)
    }

    @Test func aMissingDatabaseIsToldAsSuch() {
        let problem = problem { () throws(Problem) in
            _ = try zones(MemoryFiles()).zone(named: "Europe/Vienna")
        }
        #expect(problem?.message == "there are no time zones in /usr/share/zoneinfo")
        #expect(problem?.hint == "install tzdata")
    }

    @Test func aFileThatIsNoZoneIsRefused() {
        var files = MemoryFiles.withZones()
        files.contents["/usr/share/zoneinfo/zone_tab"] = Array("# text".utf8)
        let problem = problem { () throws(Problem) in
            _ = try zones(files).zone(named: "zone_tab")
        }
        #expect(problem?.message.hasPrefix("time zone zone_tab: ") == true)
    }

    // MARK: The machine's own zone

    @Test func theMachinesZoneIsWhatLocaltimeLinksTo() throws {
        var files = MemoryFiles()
        files.contents["/etc/localtime"] = MemoryFiles.zoneFile("CET-1CEST,M3.5.0,M10.5.0/3")
        files.links["/etc/localtime"] = "../usr/share/zoneinfo/Europe/Vienna"
        let (zone, source) = try zones(files).systemZone()
        #expect(zone.name == "Europe/Vienna")
        #expect(zone.offsetSeconds(at: summer) == 7200)
        #expect(source == "/etc/localtime")
        files.links = [:]
        #expect(try zones(files).systemZone().zone.name == "local")
    }

    @Test func withoutLocaltimeTheMachinesZoneIsUTC() throws {
        let (zone, source) = try zones(MemoryFiles()).systemZone()
        #expect(zone == .utc)
        #expect(source == "default")
    }

    @Test(arguments: [
        ("America/New_York", -4 * 3600), (":America/New_York", -4 * 3600), ("", 0), ("UTC", 0),
        ("CET-1CEST,M3.5.0,M10.5.0/3", 7200), ("<+0530>-5:30", 19_800), ("UTC0", 0),
        ("/some/file", 3600),
    ])
    func theVariableGoesBeforeLocaltime(_ value: String, _ offset: Int) throws {
        var files = MemoryFiles.withZones()
        files.contents["/some/file"] = MemoryFiles.zoneFile("ABC-1")
        files.contents["/etc/localtime"] = MemoryFiles.zoneFile("ABC-9")
        let (zone, source) = try zones(files, ["TZ": value]).systemZone()
        #expect(zone.offsetSeconds(at: summer) == offset)
        #expect(source == "$TZ")
    }

    @Test func aVariableThatNamesNothingIsAnErrorOnlyWhereAZoneIsNeeded() throws {
        let environment = ["TZ": "Europe/Viena"]
        let unneeded = try Settings.load(
            .withZones(["f.toml": "[volumes.a]"]), environment: environment)
        #expect(
            unneeded.warnings.map(\.description) == [
                "warning: the system's time zone cannot be used: $TZ is \"Europe/Viena\": there is "
                    + "no time zone \"Europe/Viena\" (did you mean \"Europe/Vienna\"?)"
            ])
        let text = "[policies.p]\ntime-zone = \"UTC\"\n[schedules.s]\nevery = \"1h\""
        let failure = try #require(throws: SettingsFailure.self) {
            try Settings.load(.withZones(["f.toml": text]), environment: environment)
        }
        #expect(
            failure.errors.map(\.description) == [
                "f.toml:3:1: schedules.s has no time-zone, and the system's cannot be used: $TZ is "
                    + "\"Europe/Viena\": there is no time zone \"Europe/Viena\" "
                    + "(did you mean \"Europe/Vienna\"?)"
            ])
    }
}
