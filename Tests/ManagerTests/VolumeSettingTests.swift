import Catalog
import Scheduler
import SnapshotModel
import StoreFormat
import System
import Testing

@testable import Manager

/// A volume's name and what it does when its store is full, set anew.
@Suite struct VolumeSettingTests {
    private let fixture: ManagerFixture

    init() throws {
        fixture = try ManagerFixture()
        try fixture.makeVolume("a")
    }

    private func set(
        _ volume: String, name: String? = nil, policy: StoreFullPolicy? = nil
    ) throws -> VolumeSummary {
        try fixture.manager.volumes.set(
            volume, VolumeSetting(name: name, storeFullPolicy: policy))
    }

    private func record() throws -> VolumeRecord {
        try Store(folder: FileFolder(path: fixture.storePath("a"))).volume()
    }

    private func events(of volume: String) throws -> [Event] {
        try fixture.catalog().events(limit: 100).map(\.event).filter { $0.volume == volume }
    }

    private func failure(_ body: () throws -> Void) -> Problem.Code? {
        do { try body() } catch { return Problem(error).code }
        return nil
    }

    @Test("a volume with another name has its snapshots, holds, events and content")
    func renamed() throws {
        try fixture.write(1, to: 0..<3, of: "a")
        try fixture.snapshot("a", name: "first")
        try fixture.write(2, to: 0..<2, of: "a")
        let before = try events(of: "a").count
        let volume = try set("a", name: "b")
        #expect(volume.record.name == "b")
        #expect(try record().name == "b")
        #expect(try fixture.manager.details.show("b@first").summary.id.rawValue == 1)
        #expect(failure { _ = try fixture.manager.volumes.show("a") } == .notFound)
        #expect(try events(of: "b").count == before + 1)
        #expect(try events(of: "a").isEmpty)
        // Life goes on under the new name, for a later command and for a rebuilt catalog, too.
        _ = try fixture.nextCommand().snapshots.take(TakeRequest(volumes: ["b"]))
        let snapshots = try fixture.list().map(\.manifest.id)
        _ = try RebuildService(fixture.options).rebuild(store: nil)
        let later = try fixture.nextCommand()
        #expect(try fixture.list(later).map(\.manifest.id) == snapshots)
        _ = try later.reverts.revert("b@first", RevertOptions(waits: true))
    }

    @Test(
        "the slots that its schedules have served are not served again, and another's are forgotten"
    )
    func slots() throws {
        let slot = Timestamp(clampingSeconds: 900)
        let (old, new) = (ScheduleTarget.volume("a"), ScheduleTarget.volume("b"))
        let catalog = try fixture.catalog()
        try catalog.beginSchedules([
            ScheduleKey(target: old, schedule: "quarter"),
            ScheduleKey(target: new, schedule: "quarter"),
            ScheduleKey(target: new, schedule: "daily"),
        ])
        try catalog.noteServed(slot, of: ScheduleKey(target: old, schedule: "quarter"))
        _ = try set("a", name: "b")
        let marks = try fixture.catalog().scheduleMarks()
        #expect(Set(marks.keys) == [ScheduleKey(target: new, schedule: "quarter")])
        #expect(marks.values.first?.served == [slot])
    }

    @Test("a name that is taken, impossible or the same is told, and nothing changes")
    func refusedNames() throws {
        try fixture.makeVolume("b")
        #expect(failure { _ = try set("a", name: "b") } == .exists)
        #expect(failure { _ = try set("a", name: "b/c") } == .usage)
        #expect(failure { _ = try set("a", name: "") } == .usage)
        #expect(failure { _ = try set("a") } == .usage)
        #expect(failure { _ = try set("none", name: "c") } == .notFound)
        _ = try set("a", name: "a")
        #expect(try fixture.catalog().volumes().map(\.record.name) == ["a", "b"])
        #expect(try record().name == "a")
    }

    @Test("while a merge goes on, or somebody has the volume open, it keeps its name and policy")
    func busy() throws {
        try fixture.write(1, to: 0..<4, of: "a")
        try fixture.snapshot("a")
        try fixture.write(2, to: 0..<4, of: "a")
        _ = try fixture.manager.reverts.revert("1", RevertOptions(waits: false))
        #expect(failure { _ = try set("a", name: "b") } == .refused)
        let folder = FileFolder(path: fixture.storePath("a"))
        let lock = try #require(try StoreHolder.lock(folder, purpose: "a test"))
        #expect(failure { _ = try set("a", policy: .breakSnapshots) } == .locked)
        withExtendedLifetime(lock) {}
        #expect(try record().name == "a" && record().storeFullPolicy == .breakWrites)
    }

    @Test("the policy is the store's and the catalog's, and is told")
    func policy() throws {
        for policy in [StoreFullPolicy.breakSnapshots, .breakWrites] {
            #expect(try set("a", policy: policy).record.storeFullPolicy == policy)
            #expect(try record().storeFullPolicy == policy)
            #expect(try fixture.nextCommand().volumes.show("a").record.storeFullPolicy == policy)
        }
        #expect(try events(of: "a").last?.kind == "volume_set")
    }

    @Test(
        "a command that is cut leaves a volume that works, and done again it is finished",
        arguments: [true, false])
    func cut(storeIsWritten: Bool) throws {
        let store = Store(folder: FileFolder(path: fixture.storePath("a")))
        var record = try store.volume()
        record.name = storeIsWritten ? "b" : "a"
        try store.writeVolume(record)
        try fixture.snapshot("a")
        _ = try set("a", name: "b")
        #expect(try self.record().name == "b")
        #expect(try fixture.list().map(\.volume) == ["b"])
    }
}
