import Glibc
import Scheduler
import Settings
import SnapshotModel
import System
import Testing

@testable import Setup

/// A machine that has one file of settings.
struct OneFile: SettingsFiles {
    let text: String

    static let path = "/etc/snapmgr/conf.d/volume.toml"

    func read(_ path: String, limitBytes: Int) throws(IOFailure) -> [UInt8] {
        guard path == Self.path else { throw IOFailure("open", path: path, code: ENOENT) }
        return Array(text.utf8)
    }

    func list(_ path: String) throws(IOFailure) -> [String] {
        guard path == "/etc/snapmgr/conf.d" else {
            throw IOFailure("open", path: path, code: ENOENT)
        }
        return ["volume.toml"]
    }

    func linkTarget(_ path: String) -> String? { nil }
}

@Suite struct VolumeSettingsTextTests {
    private static let names = [
        "vm1", "a", "a.b", "1.2", "under_score", String(repeating: "n", count: 64),
        String(repeating: "n", count: 60) + ".img",
    ]

    /// By the parser that reads the file on any machine.
    private func settings(_ text: String) throws -> Settings {
        try SettingsLoader(files: OneFile(text: text), environment: ["TZ": "UTC0"])
            .load(SettingsLocation(option: nil, environment: [:]))
    }

    @Test(
        "what is written is what the parser reads, whatever is chosen", arguments: KeepPlan.allCases
    )
    func parses(keep: KeepPlan) throws {
        for name in Self.names {
            for every in ["1m", "15m", "1h30m", "1w"] {
                let text = VolumeSettingsText(volume: name, every: every, keep: keep).text
                let settings = try settings(text)
                let volume = try #require(settings.volumes[name])
                #expect(volume.schedules.count == 1)
                #expect(
                    volume.schedules.first?.timetable == .every(try TimeSpan(parsing: every)))
                #expect(settings.volumes.count == 1)
                #expect(volume.policy?.policy.rules.isEmpty == false)
                let own = settings.warnings.filter { !$0.description.contains("time zone") }
                #expect(own.map(\.description).filter { !$0.contains("for ever") } == [])
            }
        }
    }

    @Test func theWordsOfAPlanAreWhatItsRulesKeep() throws {
        func rules(_ keep: KeepPlan) throws -> [KeepRule] {
            let text = VolumeSettingsText(volume: "a", every: "15m", keep: keep).text
            return try settings(text).volumes["a"]?.policy?.policy.rules ?? []
        }
        #expect(
            try rules(.standard).map(\.description) == [
                "within(1d)", "hourly(48)", "daily(30)", "weekly(12)", "monthly(12)", "yearly(3)",
            ])
        #expect(
            try rules(.light).map(\.description) == [
                "last(4)", "hourly(24)", "daily(7)", "weekly(4)",
            ])
        #expect(try rules(.forever) == [.last(.all)])
    }

    @Test func noLineIsTooLongToRead() {
        for keep in KeepPlan.allCases {
            let text = VolumeSettingsText(volume: "vm1", every: "15m", keep: keep).text
            #expect(text.split(separator: "\n").allSatisfy { $0.count <= 104 })
        }
    }
}
