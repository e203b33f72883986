import System
import Catalog
import MergeKit
import SnapshotModel
import Testing

@testable import Manager

/// Each half-done phase is made by hand: the catalog without the store, and the store without the
/// catalog. The next command finds it.
@Suite struct ReconcilerTests {
    private func fixture(_ volumes: String...) throws -> ManagerFixture {
        let fixture = try ManagerFixture()
        for volume in volumes { try fixture.makeVolume(volume) }
        return fixture
    }

    @Test("a snapshot that was begun but never taken is forgotten, and its id stays burnt")
    func begunOnly() throws {
        let fixture = try fixture("a")
        _ = try fixture.catalog().beginSnapshot(volume: "a", description: SnapshotDescription())
        #expect(try fixture.list().isEmpty)
        #expect(fixture.notes.all.count == 1)
        #expect(try fixture.snapshot("a").map(\.rawValue) == [2])
    }

    @Test("a snapshot that the store took is taken over")
    func takenNotCommitted() throws {
        let fixture = try fixture("a")
        try fixture.snapshot("a")
        let id = try fixture.catalog().beginSnapshot(
            volume: "a", description: SnapshotDescription(name: "half"))
        try fixture.withEngine("a") {
            _ = try $0.takeSnapshot(
                SnapshotRequest(id: id, description: SnapshotDescription(name: "half")))
        }
        let rows = try fixture.list()
        #expect(rows.map(\.id.rawValue) == [1, 2])
        #expect(rows.last?.manifest.name == "half")
        #expect(fixture.notes.all.count == 1)
        #expect(try fixture.list() == rows)
        #expect(fixture.notes.all.count == 1, "it is said once")
    }

    @Test("a snapshot marked as deleted is deleted", arguments: [false, true])
    func deleting(isDoneInStore: Bool) throws {
        let fixture = try fixture("a")
        let ids = try (0..<2).flatMap { _ in try fixture.snapshot("a") }
        try fixture.catalog().markDeleting([ids[0]])
        if isDoneInStore {
            try fixture.withEngine("a") {
                _ = try $0.delete([ids[0]])
                _ = try $0.collect()
            }
        }
        #expect(try fixture.list().map(\.id) == [ids[1]])
        #expect(try fixture.withEngine("a") { $0.snapshots() }.map(\.manifest.id) == [ids[1]])
        #expect(fixture.notes.all.count == 1)
    }

    @Test("a set is kept when every store has its member, else deleted", arguments: [false, true])
    func set(isComplete: Bool) throws {
        let fixture = try fixture("a", "b")
        let catalog = try fixture.catalog()
        let volumes = try catalog.volumes()
        let set = try catalog.beginSet(name: "pair")
        let description = SnapshotDescription(
            setID: set, setName: "pair", setVolumes: volumes.map(\.record.uuid))
        for volume in ["a", "b"] {
            let id = try catalog.beginSnapshot(volume: volume, description: description)
            guard isComplete || volume == "a" else { continue }
            try fixture.withEngine(volume) {
                _ = try $0.takeSnapshot(SnapshotRequest(id: id, description: description))
            }
        }
        // Only one of the volumes is named: the other belongs to the set, and is put right too.
        try fixture.snapshot("b")
        #expect(try fixture.list().map(\.id.rawValue) == (isComplete ? [1, 2, 3] : [3]))
        #expect(try fixture.manager.lists.sets().count == (isComplete ? 1 : 0))
        let stored = try fixture.withEngine("a") { $0.snapshots() }
        #expect(stored.filter { $0.state != .deleting }.count == (isComplete ? 1 : 0))
    }

    @Test("a revert that was begun but not done is forgotten, with its safety snapshot")
    func revertBegunOnly() throws {
        let fixture = try fixture("a")
        let target = try fixture.snapshot("a")[0]
        let catalog = try fixture.catalog()
        let id = try catalog.beginRevert(volume: "a", snapshot: target)
        _ = try catalog.beginSnapshot(
            volume: "a", description: SnapshotDescription(kind: .safety, revertID: id))
        #expect(try fixture.list().map(\.id) == [target])
        #expect(try catalog.reverts(volume: "a").isEmpty)
    }

    @Test("a revert that the store did is taken over", arguments: [false, true])
    func revertDone(isMerged: Bool) throws {
        let fixture = try fixture("a")
        let target = try fixture.snapshot("a")[0]
        try fixture.write(7, to: 0..<4, of: "a")
        let catalog = try fixture.catalog()
        let id = try catalog.beginRevert(volume: "a", snapshot: target)
        let description = SnapshotDescription(kind: .safety, revertID: id)
        let safety = try catalog.beginSnapshot(volume: "a", description: description)
        try fixture.withEngine("a") { engine in
            _ = try engine.revert(
                RevertRequest(
                    id: id, target: target,
                    safety: SnapshotRequest(id: safety, description: description)))
            if isMerged { while try engine.mergeStep(byteLimit: 1 << 20) != .finished {} }
        }
        #expect(try fixture.list().map(\.id) == [target, safety])
        let row = try #require(try catalog.revert(id))
        #expect(row.state == (isMerged ? .done : .merging))
        #expect(row.safetySnapshot == safety)
        #expect(try fixture.manager.merges.status([]).count == (isMerged ? 0 : 1))
    }

    @Test("a set's revert that reached one volume is rolled forward to all")
    func rollsForward() throws {
        let fixture = try fixture("a", "b")
        let targets = try fixture.snapshot("a", "b")
        for volume in ["a", "b"] { try fixture.write(9, to: 0..<4, of: volume) }
        let catalog = try fixture.catalog()
        for (volume, target) in zip(["a", "b"], targets) {
            let id = try catalog.beginRevert(
                volume: volume, snapshot: target, group: ["a", "b"], groupKey: 77)
            let description = SnapshotDescription(kind: .safety, revertID: id)
            let safety = try catalog.beginSnapshot(volume: volume, description: description)
            guard volume == "a" else { continue }
            try fixture.withEngine(volume) {
                _ = try $0.revert(
                    RevertRequest(
                        id: id, target: target,
                        safety: SnapshotRequest(id: safety, description: description)))
            }
        }
        // The command names only the volume that the crash has left behind.
        try fixture.snapshot("b")
        for volume in ["a", "b"] {
            #expect(try fixture.content(of: volume)[0..<4] == [0, 0, 0, 0], "\(volume)")
        }
        #expect(try catalog.unfinishedReverts().allSatisfy { $0.state == .merging })
        #expect(try fixture.list().map(\.manifest.kind).filter { $0 == .safety }.count == 2)
    }

    @Test("a merge that ended behind our back is recorded without a word")
    func mergeEnded() throws {
        let fixture = try fixture("a")
        try fixture.snapshot("a")
        try fixture.write(7, to: 0..<4, of: "a")
        let report = try fixture.manager.reverts.revert("1", RevertOptions(waits: false))
        #expect(report.items.first?.state == .merging)
        try fixture.withEngine("a") { while try $0.mergeStep(byteLimit: 1 << 20) != .finished {} }
        #expect(try fixture.manager.merges.status([]).isEmpty)
        #expect(try fixture.catalog().unfinishedReverts().isEmpty)
        #expect(fixture.notes.all == [])
    }

    /// Begins a set of two volumes, which only the first one takes.
    private func beginSet(_ fixture: ManagerFixture, _ names: [String]) throws {
        let catalog = try fixture.catalog()
        let volumes = try catalog.volumes().filter { names.contains($0.record.name) }
        let description = SnapshotDescription(
            setID: try catalog.beginSet(name: nil), setVolumes: volumes.map(\.record.uuid))
        for name in names {
            let id = try catalog.beginSnapshot(volume: name, description: description)
            guard name == names[0] else { continue }
            try fixture.withEngine(name) {
                _ = try $0.takeSnapshot(SnapshotRequest(id: id, description: description))
            }
        }
    }

    @Test("R12: what belongs together through a third volume is put right together")
    func transitive() throws {
        let fixture = try fixture("a", "b", "c")
        try beginSet(fixture, ["a", "b"])
        try beginSet(fixture, ["b", "c"])
        try fixture.snapshot("c")
        for volume in ["a", "b", "c"] {
            #expect(try fixture.catalog().unfinished(volume: volume).isEmpty, "\(volume)")
        }
    }

    @Test(
        "R12: what came to belong together while a lock was waited for is not touched without its lock"
    )
    func belongsMeanwhile() throws {
        let fixture = try fixture("a", "b")
        let state = fixture.options.state
        try Paths.makeFolders(state.locksPath)
        let lockA = try FileLock.acquire(path: state.lockPath(volume: "a"))
        var lockB = try FileLock.acquire(path: state.lockPath(volume: "b"))
        #expect(lockA != nil && lockB != nil)
        let options = fixture.options
        let code = Monitored<Problem.Code?>(nil)
        let thread = BackgroundThread.start(name: "command") {
            do { _ = try Manager(options).snapshots.take(TakeRequest(volumes: ["b"])) } catch {
                code.change { $0 = Problem(error).code }
            }
        }
        // So that it waits for b alone; if it does not yet, it waits for both from the beginning.
        BackgroundThread.sleep(milliseconds: 300)
        try beginSet(fixture, ["a", "b"])
        lockB = nil
        thread.join()
        #expect(code.withLock { $0 } == .locked)
        #expect(try fixture.catalog().unfinished(volume: "a").count == 1)
        withExtendedLifetime((lockA, lockB)) {}
    }

    @Test("with nothing unfinished, nothing is written")
    func idle() throws {
        let fixture = try fixture("a")
        try fixture.snapshot("a")
        let before = try fixture.manager.events.latest(100)
        _ = try fixture.nextCommand().volumes.list()
        #expect(try fixture.manager.events.latest(100) == before)
    }
}
