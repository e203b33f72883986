import SnapshotModel
import Testing

@testable import Manager

@Suite struct TextTests {
    @Test(
        "durations are read",
        arguments: [
            ("90s", 90), ("10m", 600), ("2h", 7200), ("1h30m", 5400), ("7d", 604_800), ("0s", 0),
        ])
    func durations(text: String, seconds: Int64) {
        #expect(TimeText.durationSeconds(text) == seconds)
    }

    @Test(
        "what is not a duration is not read", arguments: ["", "h", "2", "2x", "-2h", "999999999y"])
    func noDurations(text: String) { #expect(TimeText.durationSeconds(text) == nil) }

    @Test("JSON escapes what it must, and keeps the order of fields")
    func json() {
        let value: JSONValue = [
            "b": .string("\"\\\n\t\u{1}é"), "a": .array([.null, .bool(true), .integer(-1)]),
            "n": .number(1.5), "i": .number(.infinity),
        ]
        #expect(
            value.description
                == #"{"b":"\"\\\n\t\u0001é","a":[null,true,-1],"n":1.5,"i":null}"#)
    }

    @Test("the pace of growth is that of the bytes since the oldest snapshot")
    func pace() {
        func day(_ count: Int64) -> Timestamp {
            Timestamp(stored: count * 86_400_000_000_000)
        }
        let pace = GrowthPace([(day(3), 100), (day(2), 200), (day(1), 7000)])
        #expect(pace.bytesPerDay == 150)
        #expect(pace.daysToFill(freeBytes: 1500) == 10)
        #expect(GrowthPace([(day(1), 5)]).daysToFill(freeBytes: 1) == nil)
    }

    @Test("the state lies where the environment says")
    func stateFolder() {
        func path(_ environment: [String: String], isRoot: Bool = false) -> String? {
            StateFolder.defaultPath(environment: environment, isRoot: isRoot)
        }
        #expect(path(["SNAPMGR_STATE": "/s", "HOME": "/h"], isRoot: true) == "/s")
        #expect(path(["HOME": "/h"], isRoot: true) == "/var/lib/snapmgr")
        #expect(path(["HOME": "/h", "XDG_STATE_HOME": "/x"]) == "/x/snapmgr")
        #expect(path(["HOME": "/h"]) == "/h/.local/state/snapmgr")
        #expect(path([:]) == nil)
    }
}
