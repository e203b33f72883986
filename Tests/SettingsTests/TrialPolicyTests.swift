import Scheduler
import SnapshotModel
import Testing

@testable import Settings

@Suite("A policy that is tried out is read as one of the files is")
struct TrialPolicyTests {
    /// A key and its value as the settings have them, and as a client sends them.
    struct Sample: Sendable {
        var text: String
        var values: [String: SettingsValue]

        init(_ text: String, _ values: [String: SettingsValue]) {
            self.text = text
            self.values = values
        }
    }

    private static let good: [Sample] = [
        Sample(
            "last = 5\ndaily = \"unlimited\"", ["last": .integer(5), "daily": .text("unlimited")]),
        Sample(
            "within = \"7d\"\nprefer = \"newest\"\ninclude-manual = true",
            ["within": .text("7d"), "prefer": .text("newest"), "include-manual": .boolean(true)]),
        Sample(
            "every = { \"15m\" = 96 }\ntags = [[\"a\", \"b\"]]",
            [
                "every": .table(["15m": .integer(96)]),
                "tags": .list([.list([.text("a"), .text("b")])]),
            ]),
        Sample("time-zone = \"Europe/Vienna\"", ["time-zone": .text("Europe/Vienna")]),
        Sample("", ["hourly": .none]),
    ]

    private static let bad: [Sample] = [
        Sample("last = -2", ["last": .integer(-2)]),
        Sample("last = \"all\"", ["last": .text("all")]),
        Sample("hourly = 1.5", ["hourly": .float(1.5)]),
        Sample("dialy = 5", ["dialy": .integer(5)]),
        Sample("within = \"7x\"", ["within": .text("7x")]),
        Sample("grid = \"x\"", ["grid": .text("x")]),
        Sample("tags = [[]]", ["tags": .list([.list([])])]),
        Sample("every = { \"15m\" = -2 }", ["every": .table(["15m": .integer(-2)])]),
        Sample("time-zone = \"Mars\"", ["time-zone": .text("Mars")]),
        Sample("prefer = \"old\"", ["prefer": .text("old")]),
    ]

    private func load(_ sample: Sample) throws(SettingsFailure) -> Settings {
        try Settings.load("time-zone = \"UTC\"\n[policies.keep]\n\(sample.text)\n")
    }

    private func trial(_ policy: TrialPolicy) throws(SettingsFailure) -> RetentionPolicy {
        try policy.policy(SettingsDefaults(), files: MemoryFiles.withZones())
    }

    @Test("what is right means the same", arguments: good)
    func same(sample: Sample) throws {
        let expected = try load(sample).policies["keep"]
        #expect(try trial(TrialPolicy(sample.values)) == expected)
        let line = sample.text.replacing("\n", with: ", ")
        #expect(try trial(TrialPolicy(parsing: line)) == expected)
    }

    @Test("what is wrong is told in the same words, without a place", arguments: bad)
    func sameErrors(sample: Sample) throws {
        let ofFile = #expect(throws: SettingsFailure.self) { try load(sample) }
        let ofValues = #expect(throws: SettingsFailure.self) {
            try trial(TrialPolicy(sample.values))
        }
        let expected = ofFile?.errors.map { $0.message.replacing("policies.keep", with: "keep") }
        #expect(ofValues?.errors.map(\.message) == expected)
        #expect(ofValues?.errors.allSatisfy { $0.position == nil } == true)
        #expect(ofValues?.errors.map(\.hint) == ofFile?.errors.map(\.hint))
    }

    @Test(
        "a line is the keys of one table, and nothing else",
        arguments: ["last", "last = 5 }\nx = { a = 1", "last = 5, last = 6", "= 5", "[a]"])
    func lines(text: String) {
        #expect(throws: SettingsFailure.self) { try TrialPolicy(parsing: text) }
    }
}
