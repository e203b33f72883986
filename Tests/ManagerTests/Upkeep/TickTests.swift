import System
@testable import Catalog
import FoundationEssentials
import MergeKit
import Glibc
import Hooks
import Scheduler
import Settings
import SnapshotModel
import Testing

@testable import Manager

@Suite("Ticks take what is due, and prune what policies let go")
struct TickTests {
    private let fixture: ManagerFixture

    init() throws {
        fixture = try ManagerFixture()
        for volume in ["a", "b"] { _ = try fixture.makeVolume(volume) }
    }

    private static let quarter = Schedule(
        name: "quarter", timetable: .every(TimeSpan(seconds: 900)), zone: .utc, tags: ["auto"])

    private func settings(
        _ schedule: Schedule = quarter, rules: [KeepRule] = [], floor: FreeSpaceFloor = .bytes(0),
        below: BelowFloor = .refuse, hooks: [Hook] = [], set: [String] = []
    ) -> Settings {
        let policy = NamedPolicy(name: "test", policy: RetentionPolicy(rules: rules))
        var settings = Settings(defaults: SettingsDefaults(policy: policy, freeSpaceFloor: floor))
        if set.isEmpty {
            settings.volumes["a"] = VolumeSettings(
                name: "a", schedules: [schedule], policy: policy, safetyPolicy: .builtInSafety,
                hooks: hooks, freeSpaceFloor: floor, belowFloor: below)
        } else {
            settings.sets["both"] = SetSettings(
                name: "both", volumes: set, schedules: [schedule], policy: policy, hooks: hooks)
        }
        return settings
    }

    private func manager(_ settings: Settings) throws -> Manager {
        var options = fixture.options
        options.operation.settings = SettingsSource { settings }
        return try Manager(options)
    }

    @discardableResult
    private func tick(_ settings: Settings, after minutes: Int64 = 0) throws -> [TickReport.Slot] {
        fixture.clock.advance(bySeconds: minutes * 60)
        return try manager(settings).ticks.tick(prunes: true, isDryRun: false).slots
    }

    private func ids(_ slots: [TickReport.Slot]) -> [Int64] {
        slots.flatMap { slot -> [Int64] in
            guard case .taken(let ids, _) = slot.outcome else { return [] }
            return ids.map(\.rawValue)
        }
    }

    @Test("a schedule begins with the slot after it was first seen")
    func beginning() throws {
        let settings = settings()
        #expect(try tick(settings).isEmpty)
        #expect(try tick(settings, after: 10).isEmpty)
        let slots = try tick(settings, after: 10)
        #expect(ids(slots) == [1])
        #expect(slots.first?.missed == 0)
        let row = try #require(try fixture.list().first)
        #expect(row.manifest.kind == .scheduled)
        #expect(row.manifest.schedule == "quarter")
        #expect(row.manifest.tags == ["auto"])
        #expect(row.manifest.slot?.secondsSinceEpoch == Int64(1_795_349_700))
    }

    @Test("one snapshot stands for all slots that were missed, and none is taken twice")
    func catchUp() throws {
        let settings = settings()
        try tick(settings)
        let slots = try tick(settings, after: 60 * 24)
        #expect(ids(slots) == [1])
        #expect(slots.first?.missed == 95)
        #expect(try tick(settings).isEmpty)
    }

    @Test("a slot in which nothing was written takes nothing, if the schedule says so")
    func unchanged() throws {
        var schedule = Self.quarter
        schedule.ifUnchanged = .skip
        let settings = settings(schedule)
        try tick(settings)
        #expect(ids(try tick(settings, after: 15)) == [1], "the first one has nothing before it")
        #expect(try tick(settings, after: 15).map(\.outcome) == [.unchanged])
        #expect(try tick(settings).isEmpty, "the slot is served")
        try fixture.write(7, to: 0..<2, of: "a")
        #expect(ids(try tick(settings, after: 15)) == [2])
    }

    @Test("a failed slot is tried again, and stays one slot")
    func failure() throws {
        let settings = settings()
        try tick(settings)
        fixture.sessions.fail("a") { $0.isSnapshot }
        fixture.clock.advance(bySeconds: 900)
        var options = fixture.options
        options.operation.settings = SettingsSource { settings }
        let failed = try Manager(options).ticks.tick(prunes: true, isDryRun: false)
        #expect(failed.failures.map(\.code) == [.inputOutput])
        fixture.sessions.heal()
        let slots = try tick(settings, after: 1)
        #expect(slots.map(\.missed) == [0])
        #expect(try fixture.list().count == 1)
        #expect(try fixture.manager.events.latest(50).contains { $0.kind == "schedule_failed" })
    }

    @Test("a slot whose snapshot was taken by a tick that died before it could say so is served")
    func killed() throws {
        let settings = settings()
        try tick(settings)
        fixture.sessions.fail("a", late: true) { $0.isSnapshot }
        fixture.clock.advance(bySeconds: 900)
        // As a killed command leaves it: the store has the snapshot, the catalog has begun it.
        let slot = Timestamp(stored: 1_795_349_700_000_000_000)
        let id = try fixture.catalog().beginSnapshot(
            volume: "a",
            description: SnapshotDescription(kind: .scheduled, schedule: "quarter", slot: slot))
        try fixture.withEngine("a") { engine in
            _ = try engine.takeSnapshot(
                SnapshotRequest(
                    id: id,
                    description: SnapshotDescription(
                        kind: .scheduled, schedule: "quarter", slot: slot)))
        }
        fixture.sessions.heal()
        #expect(ids(try tick(settings)).isEmpty)
        #expect(try fixture.list().map(\.id) == [id])
    }

    @Test("a set is taken at one instant, and its window is kept")
    func sets() throws {
        let settings = settings(set: ["a", "b"])
        try tick(settings)
        #expect(ids(try tick(settings, after: 15)) == [1, 2])
        let set = try #require(try manager(settings).lists.sets().first)
        #expect(set.name == "both")
        #expect(set.volumes == ["a", "b"])
        #expect(set.heldNanoseconds != nil)
    }

    @Test("a set of which a killed tick has taken one half is deleted, and taken anew")
    func killedSet() throws {
        let settings = settings(set: ["a", "b"])
        try tick(settings)
        fixture.clock.advance(bySeconds: 900)
        let slot = Timestamp(stored: 1_795_349_700_000_000_000)
        let catalog = try fixture.catalog()
        let set = try catalog.beginSet(name: "both")
        var description = SnapshotDescription(
            kind: .scheduled, setID: set, setName: "both",
            setVolumes: try catalog.volumes().map(\.record.uuid), schedule: "quarter", slot: slot)
        let half = try catalog.beginSnapshot(volume: "a", description: description)
        _ = try catalog.beginSnapshot(volume: "b", description: description)
        description.idFloor = try catalog.idFloor()
        try fixture.withEngine("a") { engine in
            _ = try engine.takeSnapshot(SnapshotRequest(id: half, description: description))
        }
        #expect(ids(try tick(settings)) == [3, 4])
        #expect(try fixture.list().map(\.id.rawValue) == [3, 4])
    }

    @Test("what the policy lets go is pruned, and what is held stays")
    func prune() throws {
        let settings = settings(rules: [.last(.atMost(2))])
        try tick(settings)
        try tick(settings, after: 15)
        _ = try fixture.manager.holds.hold("1", owner: "me", reason: "audit", until: nil)
        try fixture.snapshot("a", name: "by-hand")
        for _ in 0..<4 { try tick(settings, after: 15) }
        let rows = try fixture.list()
        #expect(rows.map(\.id.rawValue) == [1, 2, 5, 6])
        _ = try fixture.manager.holds.release("1", owner: "me")
        let dry = try manager(settings).pruning.prune([], isDryRun: true, explains: true)
        #expect(dry.volumes.first?.removed.map(\.id.rawValue) == [1])
        #expect(dry.volumes.first?.kept.count == 3)
        #expect(try fixture.list().count == 4, "a dry run changes nothing")
        let real = try manager(settings).pruning.prune([], isDryRun: false)
        #expect(real.freedBytes >= dry.freedBytes)
        #expect(try fixture.list().map(\.id.rawValue) == [2, 5, 6])
    }

    @Test("what is labelled anew while a prune is at work stays, for the next one to judge")
    func labelledMeanwhile() throws {
        let schedule = settings()
        try tick(schedule)
        for _ in 0..<5 { try tick(schedule, after: 15) }
        let settings = settings(rules: [.last(.atMost(1))])
        var options = fixture.options
        options.operation.settings = SettingsSource { settings }
        let other = try fixture.nextCommand()
        options.operation.onProgress = { progress in
            guard progress.activity == .deleting else { return }
            _ = try? other.labels.modify(LabelRequest(["4"], addedTags: ["keep"]))
        }
        let report = try Manager(options).pruning.prune([], isDryRun: false)
        #expect(try fixture.list().map(\.id.rawValue) == [4, 5])
        #expect(report.volumes.first?.removed.map(\.id.rawValue) == [1, 2, 3])
        #expect(report.volumes.first?.keptCount == 2)
    }

    @Test("a volume whose store is missing stops neither the ticks nor the prunes of the others")
    func missingStore() throws {
        var settings = settings(rules: [.last(.atMost(1))])
        settings.volumes["b"] = VolumeSettings(
            name: "b", schedules: [Self.quarter], policy: settings.defaults.policy,
            safetyPolicy: .builtInSafety, hooks: [], freeSpaceFloor: .bytes(0))
        try tick(settings)
        for _ in 0..<2 { try tick(settings, after: 15) }
        try FileManager.default.moveItem(
            atPath: fixture.storePath("a"), toPath: fixture.folder + "/away")
        fixture.clock.advance(bySeconds: 900)
        let report = try manager(settings).ticks.tick(prunes: true, isDryRun: false)
        #expect(ids(report.slots).count == 1, "of volume b")
        #expect(report.slots.count == 2)
        let prune = try #require(report.prune)
        #expect(prune.volumes.map(\.volume) == ["a", "b"])
        #expect(prune.volumes[0].failure != nil)
        #expect(prune.volumes[1].removed.count == 1)
    }

    @Test("a tick counts what monitoring would count again each time")
    func counts() throws {
        let settings = settings()
        try tick(settings)
        for _ in 0..<6 { try fixture.snapshot("a") }
        _ = try RebuildService(fixture.options).rebuild(store: nil)
        try tick(settings)
        #expect(try fixture.catalog().storeUsage(volume: "a").snapshotCount == 0, "nothing is due")
        try tick(settings, after: 15)
        #expect(try fixture.catalog().storeUsage(volume: "a").snapshotCount == 5)
    }

    @Test("without a policy, or with an empty one, everything is kept")
    func noPolicy() throws {
        let settings = settings()
        try tick(settings)
        for _ in 0..<5 { try tick(settings, after: 15) }
        #expect(try manager(settings).pruning.prune([], isDryRun: false).removedCount == 0)
        #expect(try fixture.list().count == 5)
    }

    @Test("below the floor of free space no scheduled snapshot is taken, and it is said why")
    func floor() throws {
        let settings = settings(floor: .bytes(1 << 60))
        try tick(settings)
        let slots = try tick(settings, after: 15)
        guard case .failed(let problem) = slots.first?.outcome else {
            Issue.record("taken: \(slots)")
            return
        }
        #expect(problem.code == .noSpace)
        #expect(problem.message.contains("volume a"))
        #expect(try fixture.list().isEmpty)
    }

    @Test(
        "below the floor snapshots go before their time, if that is allowed, but never the newest")
    func victims() throws {
        let roomy = settings(rules: [.within(CalendarSpan(days: 7))])
        try tick(roomy)
        for byte in 1...4 {
            try tick(roomy, after: 15)
            try fixture.write(UInt8(byte), to: 0..<8, of: "a")
        }
        #expect(try fixture.list().count == 4)
        let tight = settings(
            rules: [.within(CalendarSpan(days: 7))], floor: .bytes(1 << 60), below: .prune)
        let report = try manager(tight).pruning.prune(["a"], isDryRun: false)
        #expect(report.volumes.first?.removed.allSatisfy(\.isForSpace) == true)
        #expect(try fixture.list().map(\.id.rawValue) == [4])
    }

    @Test("a set that has a volume's name, too, keeps no schedule from pruning the volume")
    func namesake() throws {
        let week = [KeepRule.within(CalendarSpan(days: 7))]
        let roomy = settings(rules: week)
        try tick(roomy)
        for byte in 1...4 {
            try tick(roomy, after: 15)
            try fixture.write(UInt8(byte), to: 0..<8, of: "a")
        }
        var tight = settings(rules: week, floor: .bytes(1 << 60), below: .prune)
        tight.sets["a"] = SetSettings(
            name: "a", volumes: ["b"], schedules: [], policy: nil, hooks: [])
        fixture.clock.advance(bySeconds: 900)
        let report = try manager(tight).ticks.tick(prunes: false, isDryRun: false)
        #expect(report.failures.map(\.code) == [.noSpace])
        #expect(try fixture.list().map(\.id.rawValue) == [4])
    }

    @Test("that nothing is due is known without a catalog that is open for writing")
    func idle() throws {
        let settings = settings()
        var options = fixture.options
        options.operation.settings = SettingsSource { settings }
        #expect(!Manager.hasNothingDue(options), "the schedule is new")
        try tick(settings)
        // A second command has the catalog open, so that its log is there: nothing is certain.
        #expect(!Manager.hasNothingDue(options))
        let copy = fixture.folder + "/closed"
        try copyState(to: copy)
        options.state = StateFolder(path: copy)
        #expect(Manager.hasNothingDue(options))
        fixture.clock.advance(bySeconds: 900)
        #expect(!Manager.hasNothingDue(options))
        #expect(try FileFolder(path: copy).list("").sorted() == ["catalog.sqlite"])
    }

    /// The catalog as it is when no command has it open.
    private func copyState(to path: String) throws {
        #expect(mkdir(path, 0o700) == 0)
        let source = try fixture.catalog()
        _ = try source.pragma("wal_checkpoint(TRUNCATE)")
        try FileManager.default.copyItem(
            atPath: fixture.options.state.catalogPath, toPath: path + "/catalog.sqlite")
    }

    @Test(
        "while another tick is at work, one that has work leaves, and one that has none is content")
    func overlap() throws {
        let settings = settings()
        try tick(settings)
        let lock = try #require(try FileLock.acquire(path: fixture.options.state.tickLockPath))
        #expect(try tick(settings).isEmpty)
        #expect { try tick(settings, after: 15) } throws: { ($0 as? Problem)?.code == .locked }
        withExtendedLifetime(lock) {}
    }

    @Test("a hook that refuses ends the snapshot before it is taken, and the next tick tries again")
    func hooks() throws {
        let hook = Hook(
            name: "guard", programs: [.beforeFreeze: ["/bin/false"]], timeoutSeconds: 30,
            isFatal: true, environment: [:])
        let refusing = settings(hooks: [hook])
        var options = fixture.options
        options.operation.settings = SettingsSource { refusing }
        // Nothing was begun when the watchdog cannot be had, either.
        options.watchdog = WatchdogCommand(["/nonexistent/watchdog"])
        fixture.clock.advance(bySeconds: 0)
        try tick(settings())
        fixture.clock.advance(bySeconds: 900)
        let report = try Manager(options).ticks.tick(prunes: false, isDryRun: false)
        #expect(report.failures.count == 1)
        #expect(try fixture.list().isEmpty)
        #expect(ids(try tick(settings(), after: 1)).count == 1)
    }
}
