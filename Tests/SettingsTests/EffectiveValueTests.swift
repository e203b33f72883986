import FoundationEssentials
import Testing

@testable import Settings

@Suite struct EffectiveValueTests {
    private let sample = """
        policy = "p"
        [volumes.a]
        schedules = ["s"]
        [volumes.b]
        policy = "q"
        [schedules.s]
        every = "1h"
        [policies.p]
        daily = 7
        [policies.q]
        last = "unlimited"
        tags = [["x\\"y"]]
        [hooks.h]
        after-thaw = ["/x", "é"]
        environment = { A = "1" }
        """

    private func find(_ settings: Settings, _ table: String, _ key: String) -> EffectiveValue? {
        settings.effectiveValues.first { $0.table == table && $0.key == key }
    }

    @Test func aValueOfAFileHasItsLine() throws {
        let settings = try Settings.load(sample)
        let value = try #require(find(settings, "volumes.b", "policy"))
        #expect(value.value == "\"q\"")
        #expect(value.source.description == "f.toml:5")
        #expect(value.note == nil)
    }

    @Test func aValueFromTheTopHasTheLineThereAndSaysSo() throws {
        let settings = try Settings.load(sample)
        let value = try #require(find(settings, "volumes.a", "policy"))
        #expect(value.value == "\"p\"")
        #expect(value.source.description == "f.toml:1")
        #expect(value.note == "from policy at the top")
    }

    @Test func aDefaultSaysWhatItIs() throws {
        let settings = try Settings.load(sample)
        let floor = try #require(find(settings, "volumes.a", "free-space-floor"))
        #expect(floor.value == "\"5%\"")
        #expect(floor.source == .standard)
        let safety = try #require(find(settings, "volumes.a", "safety-policy"))
        #expect(safety.value == nil)
        #expect(safety.note == "built in: last = 2 and within = \"7d\"")
        let none = try #require(find(try Settings.load(""), "", "policy"))
        #expect(none.note == "all snapshots are kept")
    }

    @Test func theMachinesZoneNamesItsSource() throws {
        var files = MemoryFiles(["f.toml": ""])
        files.contents["/etc/localtime"] = MemoryFiles.zoneFile("CET-1")
        files.links["/etc/localtime"] = "/usr/share/zoneinfo/Europe/Vienna"
        let value = try #require(find(try Settings.load(files), "", "time-zone"))
        #expect(value.value == "\"Europe/Vienna\"")
        #expect(value.source == .system("/etc/localtime"))
    }

    @Test(arguments: ShippedFilesTests.examples)
    func whatIsShownReadsAsTheSameSettings(_ name: String) throws {
        let text = try ShippedFilesTests.text("Config/\(name)")
        let settings = try Settings.load(text)
        var again = try Settings.load(settings.effectiveValues.document)
        again.effectiveValues = settings.effectiveValues
        again.warnings = settings.warnings
        #expect(again == settings)
    }

    @Test func itEncodesAsJSON() throws {
        let settings = try Settings.load("policy = \"p\"\n[policies.p]\nlast = 1")
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let value = try #require(find(settings, "", "policy"))
        #expect(
            String(decoding: try encoder.encode(value), as: UTF8.self)
                == #"{"file":"f.toml","key":"policy","line":1,"note":null,"source":"f.toml:1","table":"","value":"\"p\""}"#
        )
    }
}
