import Catalog
import FoundationEssentials
import Scheduler
import Settings
import SnapshotModel
import Testing

@testable import Manager
import MergeKit
@testable import Monitoring
import TestKit

/// Monitoring of real volumes.
@Suite struct MonitoringServiceTests {
    private let fixture: ManagerFixture

    init() throws {
        fixture = try ManagerFixture()
        try fixture.makeVolume("data")
    }

    /// A manager with these settings; nil is settings that cannot be read.
    private func manager(_ settings: Settings?) throws -> Manager {
        var options = fixture.options
        options.operation.settings = SettingsSource {
            guard let settings else { throw Problem(.usage, "the settings are wrong") }
            return settings
        }
        return try Manager(existing: options)
    }

    /// The volume `data` with a schedule and a policy; no floor, since the disk is who knows whose.
    private func settings(
        every span: TimeSpan? = nil, policy: RetentionPolicy? = nil
    ) -> Settings {
        var settings = Settings(defaults: SettingsDefaults(freeSpaceFloor: .bytes(0)))
        settings.files = ["/etc/snapmgr/snapmgr.toml"]
        var volume = settings.volume("data")
        volume.schedules =
            span.map { [Schedule(name: "auto", timetable: .every($0), zone: .utc)] } ?? []
        volume.policy = policy.map { NamedPolicy(name: "p", policy: $0) }
        settings.volumes["data"] = volume
        return settings
    }

    private func findings(_ settings: Settings?) throws -> [MonitorFinding] {
        MonitorJudge(try manager(settings).monitoring.read([])).findings
    }

    @Test("where there is no catalog none is made")
    func noCatalog() throws {
        var options = fixture.options
        options.state = StateFolder(path: fixture.folder + "/other")
        let problem = #expect(throws: Problem.self) { try Manager(existing: options) }
        #expect(problem?.code == .notFound)
        #expect(!FileManager.default.fileExists(atPath: fixture.folder + "/other"))
    }

    @Test("a volume without schedules is well")
    func well() throws {
        try fixture.snapshot("data")
        let reading = try manager(settings()).monitoring.read(["data"])
        #expect(MonitorJudge(reading).findings.isEmpty)
        #expect(reading.volumes.map(\.name) == ["data"])
        #expect(
            reading.volumes[0].counts
                == [SnapshotCounts(volume: "data", kind: .manual, state: .active, count: 1)])
        #expect(throws: Problem.self) { try manager(nil).monitoring.read(["nope"]) }
    }

    @Test("a merge in a command that has the volume open does not stand still")
    func mergeOfCommand() throws {
        try fixture.write(1, to: 0..<8, of: "data")
        let id = try #require(try fixture.snapshot("data").first)
        try fixture.write(2, to: 0..<8, of: "data")
        // As `revert` has it open: with the store's lock, and without a socket.
        try fixture.withEngine("data") { engine in
            let safety = SnapshotRequest(
                id: SnapshotID(rawValue: 70), description: SnapshotDescription(kind: .safety))
            _ = try engine.revert(
                RevertRequest(id: RevertID(rawValue: 70), target: id, safety: safety))
            var reading = try manager(settings()).monitoring.read([])
            #expect(reading.volumes[0].merge?.state == .merging)
            #expect(!reading.volumes[0].isMergeStill)
            reading.volumes[0].mergeBegunAt = reading.now.advanced(bySeconds: -3600)
            #expect(MonitorJudge(reading).findings.isEmpty)
        }
    }

    @Test("a volume of a driver that is not known is told, and the others are looked at")
    func unknownDriver() throws {
        try fixture.makeVolume("other")
        let catalog = try fixture.catalog()
        var row = try #require(try catalog.volume(named: "other"))
        row.record.driver = "ceph"
        try catalog.updateVolume(row)
        let status = try fixture.manager.status.status()
        #expect(status.map(\.volume.record.name) == ["data", "other"])
        #expect(status[0].warnings.isEmpty)
        #expect(status[1].warnings.contains { $0.contains("the driver ceph") })
        try fixture.snapshot("data")
        let problem = #expect(throws: Problem.self) { try fixture.snapshot("other") }
        #expect(problem?.code == .newerVersion)
        #expect(try fixture.list().count == 1)
        _ = try manager(settings(every: .hour)).ticks.tick(prunes: true, isDryRun: false)
        let removal = #expect(throws: Problem.self) {
            try fixture.manager.volumes.remove("other", keepsStore: true, isDryRun: false)
        }
        #expect(removal?.code == .newerVersion)
    }

    @Test("ticks that stay away become an alarm, and the next one ends it")
    func late() throws {
        let settings = settings(every: .hour)
        #expect(try findings(settings).map(\.severity) == [.warning])
        _ = try manager(settings).ticks.tick(prunes: false, isDryRun: false)
        #expect(try findings(settings).isEmpty)
        fixture.clock.advance(bySeconds: 3 * 3600)
        #expect(try findings(settings).map(\.severity) == [.critical])
        _ = try manager(settings).ticks.tick(prunes: false, isDryRun: false)
        #expect(try findings(settings).isEmpty)
        let reading = try manager(settings).monitoring.read([])
        #expect(reading.schedules[0].lastSlot != nil)
    }

    @Test("a volume that only the settings know is not passed over")
    func unknownVolume() throws {
        var settings = settings()
        var ghost = settings.volume("ghost")
        ghost.schedules = [Schedule(name: "auto", timetable: .every(.hour), zone: .utc)]
        settings.volumes["ghost"] = ghost
        #expect(try findings(settings).map(\.subject) == ["schedule auto of volume:ghost"])
        #expect(try manager(settings).monitoring.read(["data"]).schedules.isEmpty)
    }

    @Test("a failure is told until the next success")
    func failure() throws {
        fixture.sessions.fail("data") { $0.isSnapshot }
        #expect(throws: (any Error).self) { try fixture.snapshot("data") }
        fixture.sessions.heal()
        let found = try findings(settings())
        #expect(found.map(\.severity) == [.warning])
        #expect(found.first?.text.description.contains("injected") == true)
        let metrics = try manager(settings()).monitoring.exposition([])
        try ExpositionValidator.validate(metrics)
        #expect(
            metrics.contains("snapmgr_failures_total{event=\"snapshot_failed\",volume=\"data\"} 1"))
        try fixture.snapshot("data")
        #expect(try findings(settings()).isEmpty)
    }

    @Test(
        "a failure of volumes together is told until the next set, and only when all are asked for")
    func setFailure() throws {
        try fixture.makeVolume("logs")
        fixture.sessions.fail("data") { $0.isPreparation }
        #expect(throws: (any Error).self) { try fixture.snapshot("data", "logs") }
        fixture.sessions.heal()
        try fixture.snapshot("data")
        #expect(try findings(settings()).map(\.subject) == ["sets"])
        #expect(try manager(settings()).monitoring.read(["data"]).setFailures.isEmpty)
        try fixture.snapshot("data", "logs")
        #expect(try findings(settings()).isEmpty)
    }

    @Test("a slot that was served without a snapshot ends a failure, too")
    func servedSlot() throws {
        let settings = settings(every: .hour)
        _ = try manager(settings).ticks.tick(prunes: false, isDryRun: false)
        fixture.sessions.fail("data") { $0.isSnapshot }
        #expect(throws: (any Error).self) { try fixture.snapshot("data") }
        fixture.sessions.heal()
        #expect(try findings(settings).count == 1)
        fixture.clock.advance(bySeconds: 3600)
        let slot = try #require(Timestamp("2026-11-22T13:00:00Z"))
        try fixture.catalog().noteServed(
            slot, of: ScheduleKey(target: .volume("data"), schedule: "auto"))
        #expect(try findings(settings).isEmpty)
    }

    @Test("holds without an end are stale after a month, and expired ones are only told")
    func holds() throws {
        try fixture.snapshot("data")
        try fixture.snapshot("data")
        _ = try fixture.manager.holds.hold("1", owner: "eve", reason: "audit", until: nil)
        _ = try fixture.manager.holds.hold("2", owner: "bob", reason: "test", until: "1h")
        #expect(try findings(settings()).isEmpty)
        fixture.clock.advance(bySeconds: 31 * 86_400)
        let found = try findings(settings())
        #expect(found.map(\.severity) == [.warning, .ok])
        #expect(found.first?.text.description.contains("of eve on snapshot 1") == true)
    }

    @Test("a prune that stays away is told after two days")
    func overdue() throws {
        let settings = settings(
            policy: RetentionPolicy(rules: [.last(.atMost(1))], appliesToManual: true))
        for _ in 0..<3 { try fixture.snapshot("data") }
        #expect(try findings(settings).isEmpty)
        fixture.clock.advance(bySeconds: 47 * 3600)
        #expect(try findings(settings).isEmpty)
        fixture.clock.advance(bySeconds: 2 * 3600)
        #expect(
            try findings(settings).first?.text.description.hasPrefix("2 snapshots should") == true)
        _ = try manager(settings).pruning.prune([], isDryRun: false)
        #expect(try findings(settings).isEmpty)
        #expect(try manager(settings).monitoring.read([]).volumes[0].lastPruneAt != nil)
    }

    @Test("a missing store or origin is an alarm, and other volumes are looked at all the same")
    func missing() throws {
        try fixture.makeVolume("logs")
        try FileManager.default.removeItem(atPath: fixture.folder + "/data.img")
        let origin = try findings(settings())
        #expect(origin.map(\.severity) == [.critical])
        #expect(origin.first?.text == "the origin \(fixture.folder)/data.img is missing")
        try FileManager.default.removeItem(atPath: fixture.storePath("data"))
        let store = try findings(settings())
        #expect(
            store.first?.text.description.contains("the store \(fixture.storePath("data"))") == true
        )
        #expect(try manager(settings()).monitoring.read([]).volumes.count == 2)
    }

    @Test("a broken chain is an alarm")
    func broken() throws {
        try fixture.snapshot("data")
        try fixture.snapshot("data")
        try fixture.catalog().markBroken(volume: "data", upTo: SnapshotOrdinal(rawValue: 1))
        #expect(try findings(settings()).map(\.severity) == [.critical])
    }

    @Test("a merge that waits is told, and left alone")
    func merge() throws {
        try fixture.write(1, to: 0..<8, of: "data")
        try fixture.snapshot("data")
        try fixture.write(2, to: 0..<8, of: "data")
        _ = try fixture.manager.reverts.revert("1", RevertOptions(waits: false))
        let first = try manager(settings()).monitoring.read([])
        #expect(MonitorJudge(first).findings.map(\.severity) == [.warning])
        #expect(first.volumes[0].mergeBegunAt != nil)
        let second = try manager(settings()).monitoring.read([])
        #expect(first.volumes[0].merge == second.volumes[0].merge)
    }

    @Test("settings that cannot be read are unknown, and hide no alarm")
    func wrongSettings() throws {
        #expect(try findings(nil).map(\.severity) == [.unknown])
        #expect(
            try findings(nil).first?.text.description.contains("the settings are wrong") == true)
        try FileManager.default.removeItem(atPath: fixture.folder + "/data.img")
        #expect(try findings(nil).map(\.severity) == [.critical, .unknown])
    }
}
