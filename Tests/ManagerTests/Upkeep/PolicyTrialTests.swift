import Scheduler
import Settings
import SnapshotModel
import Testing

@testable import Manager

@Suite("What another policy would keep is what a prune by it would leave")
struct PolicyTrialTests {
    private let fixture: ManagerFixture

    init() throws {
        fixture = try ManagerFixture()
        for volume in ["a", "b"] { _ = try fixture.makeVolume(volume) }
    }

    private static let hour = Schedule(
        name: "hour", timetable: .every(TimeSpan(seconds: 3600)), zone: .utc, tags: [])

    private static func named(_ rules: [KeepRule], manual: Bool = false) -> NamedPolicy {
        NamedPolicy(
            name: "test", policy: RetentionPolicy(rules: rules, appliesToManual: manual))
    }

    private func manager(_ policy: NamedPolicy, ofSet isOfSet: Bool = false) throws -> Manager {
        var settings = Settings(
            defaults: SettingsDefaults(policy: policy, freeSpaceFloor: .bytes(0)))
        if isOfSet {
            settings.sets["both"] = SetSettings(
                name: "both", volumes: ["a", "b"], schedules: [Self.hour], policy: policy,
                hooks: [])
        } else {
            settings.volumes["a"] = VolumeSettings(
                name: "a", schedules: [Self.hour], policy: policy, safetyPolicy: .builtInSafety,
                hooks: [], freeSpaceFloor: .bytes(0))
        }
        settings.files = ["f.toml"]
        settings.machines["vm"] = MachineSettings(name: "vm", volumes: ["a"], monitorPath: "/m")
        var options = fixture.options
        let given = settings
        options.operation.settings = SettingsSource { given }
        return try Manager(options)
    }

    /// Scheduled snapshots, an hour apart.
    private func take(_ count: Int, _ manager: Manager) throws {
        for _ in 0...count {
            _ = try manager.ticks.tick(prunes: false, isDryRun: false)
            fixture.clock.advance(bySeconds: 3600)
        }
    }

    private func simulate(
        _ manager: Manager, _ target: String, _ keep: [String: SettingsValue]?
    ) throws -> SimulationReport {
        let reports = try manager.policies.simulate(
            target, span: CalendarSpan(days: 1), sampleCount: 4,
            trying: keep.map { TrialPolicy($0) })
        return try #require(reports.first)
    }

    private func pruned(_ manager: Manager, _ volume: String) throws -> [SnapshotID] {
        let report = try manager.pruning.prune([volume], isDryRun: true)
        return report.volumes.flatMap { $0.removed.map(\.id) }
    }

    @Test("of a volume, with manual snapshots among its own, and what is held")
    func volume() throws {
        let generous = try manager(Self.named([.last(.all)]))
        try take(6, generous)
        _ = try generous.snapshots.take(TakeRequest(volumes: ["a"], name: "mine"))
        _ = try generous.holds.hold("2", owner: "ann", reason: "audit", until: nil)
        for manual in [false, true] {
            let strict = Self.named([.last(.atMost(2))], manual: manual)
            let keep: [String: SettingsValue] = [
                "last": .integer(2), "include-manual": .boolean(manual),
            ]
            let expected = try pruned(manager(strict), "a")
            #expect(!expected.isEmpty)
            for target in ["a", "volume:a", "vm"] {
                let report = try simulate(generous, target, keep)
                #expect(report.pruned == expected, "\(target)")
                #expect(report.policy == "keep" && report.target == "volume:a")
            }
        }
        let own = try simulate(generous, "a", nil)
        #expect(own.pruned.isEmpty && own.policy == "test")
        #expect(try fixture.list().count == 7)
    }

    @Test("of a set, whose snapshots there are at the beginning, in all its volumes")
    func set() throws {
        let generous = try manager(Self.named([.last(.all)]), ofSet: true)
        try take(5, generous)
        let strict = try manager(Self.named([.last(.atMost(2))]), ofSet: true)
        let expected = try pruned(strict, "a") + pruned(strict, "b")
        #expect(expected.count == 6)
        for target in ["both", "set:both"] {
            let report = try simulate(generous, target, ["last": .integer(2)])
            #expect(report.pruned == expected)
            #expect(report.target == "set:both")
        }
        #expect(try simulate(generous, "both", nil).simulation.samples.first?.count ?? 0 > 5)
        for unknown in ["set:a", "volume:both", "c"] {
            let problem = #expect(throws: Problem.self) { try simulate(generous, unknown, nil) }
            #expect(problem?.code == .notFound)
        }
    }

    @Test("what is wrong with it is told with the keys' names")
    func wrong() throws {
        let manager = try manager(Self.named([.last(.all)]))
        let problem = #expect(throws: Problem.self) {
            try simulate(manager, "a", ["last": .integer(-2), "dialy": .integer(1)])
        }
        #expect(problem?.code == .usage)
        #expect(problem?.message.contains("keep.last must be a count, not -2") == true)
        #expect(problem?.message.contains("unknown key \"dialy\" in keep") == true)
    }
}
