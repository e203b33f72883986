import System
import Catalog
import Scheduler
import Settings
import SnapshotModel
import Testing

@testable import Manager
import Monitoring

@Suite("M1: a clock that jumped deletes nothing by age")
struct ClockTests {
    private let fixture: ManagerFixture
    private static let day: Int64 = 86_400

    init() throws {
        fixture = try ManagerFixture()
        try fixture.makeVolume("data")
    }

    private func manager(within days: Int = 30) throws -> Manager {
        var options = fixture.options
        options.operation.settings = SettingsSource {
            let policy = NamedPolicy(
                name: "p",
                policy: RetentionPolicy(
                    rules: [.within(CalendarSpan(days: days))], appliesToManual: true))
            var settings = Settings(defaults: SettingsDefaults(policy: policy))
            settings.files = ["f.toml"]
            settings.volumes["data"] = VolumeSettings(
                name: "data",
                schedules: [
                    Schedule(name: "hour", timetable: .every(TimeSpan(seconds: 3600)), zone: .utc)
                ], policy: policy, safetyPolicy: .builtInSafety, hooks: [],
                freeSpaceFloor: .bytes(0))
            return settings
        }
        return try Manager(options)
    }

    @discardableResult
    private func tick() throws -> TickReport {
        try manager().ticks.tick(prunes: true, isDryRun: false)
    }

    private func kinds() throws -> [String] {
        try fixture.catalog().events(limit: 1000).map(\.event.kind)
    }

    /// Seven snapshots, an hour apart.
    private func begin() throws {
        try tick()
        for _ in 0..<7 {
            fixture.clock.advance(bySeconds: 3600)
            try tick()
        }
        #expect(try fixture.list().count == 7)
    }

    @Test("M1: a clock a century ahead for one tick prunes nothing, and is said")
    func oneTick() throws {
        try begin()
        fixture.clock.jump(bySeconds: 73 * 365 * Self.day)
        let report = try tick()
        #expect(report.slots.count == 1)
        #expect(report.prune?.removedCount == 0)
        #expect(report.prune?.clock?.isInDoubt == true)
        #expect(try fixture.list().count == 8)
        #expect(fixture.notes.all.contains { $0.contains("--accept-clock") })
        #expect(try kinds().contains("clock_doubted"))
        let warnings = try manager().status.warnings()
        #expect(warnings.contains { $0.contains("--accept-clock") })
        let plugin = try manager().monitoring.plugin([])
        #expect(plugin.status == 1 && plugin.text.contains("clock: the clock shows"))
    }

    @Test("M1: the clock can be accepted by hand")
    func accepted() throws {
        try begin()
        fixture.clock.jump(bySeconds: 73 * 365 * Self.day)
        try tick()
        let preview = try manager().pruning.prune([], isDryRun: true, acceptsClock: true)
        #expect(preview.removedCount == 7)
        #expect(try fixture.list().count == 8)
        let report = try manager().pruning.prune([], isDryRun: false, acceptsClock: true)
        #expect(report.removedCount == 7)
        #expect(try fixture.list().count == 1)
        #expect(try kinds().last { $0.hasPrefix("clock") } == "clock_believed")
        #expect(try manager().status.warnings().isEmpty)
    }

    @Test("M1: after a month off, deleting goes on by itself when the clock has run for a day")
    func monthOff() throws {
        try begin()
        fixture.clock.restart(afterSeconds: 40 * Self.day)
        #expect(try tick().prune?.removedCount == 0)
        for _ in 0..<26 {
            fixture.clock.advance(bySeconds: 3600)
            try tick()
        }
        let left = try fixture.list()
        #expect(left.count == 27)
        #expect(try manager().status.warnings().isEmpty)
    }

    @Test("M1: age goes on as the machine's time while the clock is in doubt")
    func goesOn() throws {
        try begin()
        fixture.clock.jump(bySeconds: 3650 * Self.day)
        try tick()
        fixture.clock.advance(bySeconds: 3600)
        let plan = try manager(within: 1).pruning.prune([], isDryRun: true)
        #expect(plan.removedCount == 0)
    }

    @Test("M4: a clock that cannot be recorded changes nothing, and monitoring says so")
    func unrecordable() throws {
        try begin()
        fixture.clock.jump(bySeconds: 480 * 365 * Self.day)
        for act in [
            { _ = try self.tick() }, { _ = try self.manager().pruning.prune([], isDryRun: false) },
            { _ = try self.fixture.snapshot("data") },
        ] as [() throws -> Void] {
            #expect { try act() } throws: { Problem($0).message.contains("cannot be recorded") }
        }
        #expect(try fixture.list().count == 7)
        let plugin = try manager().monitoring.plugin([])
        #expect((2...3).contains(plugin.status) && plugin.text.contains("cannot be recorded"))
    }
}
