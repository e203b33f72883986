import System
import MergeKit
import StoreFormat
import SnapshotModel
import TestKit
import Testing

@Suite("A volume whose writes somebody else makes, as its store says")
struct StoredVolumeTests {
    private func stored(_ disk: SimulatedDisk) throws -> StoredVolume {
        StoredVolume(Store(folder: disk), try StoreReader(folder: disk).state())
    }

    /// A volume with three snapshots.
    private func fixture() throws -> EngineFixture {
        let fixture = try EngineFixture(chunks: 64)
        try fixture.snapshot(1)
        try fixture.write(1, to: 0..<8)
        try fixture.snapshot(2)
        try fixture.write(2, to: 4..<16)
        try fixture.snapshot(3)
        try fixture.write(3, to: 2..<5)
        return fixture
    }

    /// The same in the middle of a merge to snapshot 1, when snapshot 5 was taken after the safety
    /// snapshot 4.
    private func merging() throws -> EngineFixture {
        let fixture = try fixture()
        try fixture.revert(1, to: 1, safety: 4)
        _ = try fixture.engine.mergeStep(byteLimit: 3 * 4096)
        try fixture.snapshot(5)
        try fixture.write(5, to: 20..<24)
        return fixture
    }

    private static func id(_ id: Int64) -> SnapshotID { SnapshotID(rawValue: id) }

    @Test func `it sees the exceptions of the area that grows`() throws {
        let snapshots = try stored(fixture().disk).snapshots(readers: [Self.id(2): 3])
        #expect(snapshots.map(\.exceptionCount) == [8, 12, 3])
        #expect(snapshots.map(\.state) == [.frozen, .frozen, .active])
        #expect(snapshots.map(\.readers) == [0, 3, 0])
    }

    @Test func `questions change nothing and do not need the origin`() throws {
        let fixture = try fixture()
        let (changes, looks) = (Monitored(0), Monitored(0))
        let origin = fixture.disk.origin().path
        fixture.disk.observer = { operation in
            if operation.kind.changesDisk { changes.change { $0 += 1 } }
            if operation.path == origin { looks.change { $0 += 1 } }
        }
        let volume = try stored(fixture.disk)
        _ = volume.snapshots()
        _ = try volume.previewDelete([Self.id(2)])
        _ = try volume.previewRevert(to: Self.id(1))
        #expect(changes.withLock { $0 } == 0)
        #expect(try stored(fixture.disk).delete([Self.id(2)]).freedBytes > 0)
        #expect(try stored(fixture.disk).collect().punchedBytes > 0)
        #expect(looks.withLock { $0 } == 0)
    }

    @Test func `it deletes and collects frozen areas and leaves the one that grows alone`() throws {
        let disk = try fixture().disk
        #expect(try stored(disk).delete([Self.id(2)]).freedBytes == 4 * 4096)
        let collected = try stored(disk).collect()
        #expect(collected.punchedBytes == 4 * 4096)
        #expect(collected.freedBytes == 4 * 4096)
        #expect(try stored(disk).delete([Self.id(3)]).freedBytes > 0)
        let report = try stored(disk).collect()
        #expect(report.removedAreas.isEmpty)
        let map = try StoreReader(folder: disk).chunkMap(of: SnapshotOrdinal(rawValue: 3))
        #expect(map.count == 3)
        #expect(throws: Problem.self) { try stored(disk).delete([Self.id(3)]) }
    }

    @Test func `in mid-merge it keeps the target, and the safety snapshot's area whole`() throws {
        let disk = try merging().disk
        let target = #expect(throws: Problem.self) { try stored(disk).delete([Self.id(1)]) }
        #expect(target?.code == .refused)
        let safety = SnapshotOrdinal(rawValue: 4)
        let count = try StoreReader(folder: disk).chunkMap(of: safety).count
        #expect(count > 0)
        _ = try stored(disk).delete([Self.id(2), Self.id(3), Self.id(4)])
        let report = try stored(disk).collect()
        #expect(!report.removedAreas.contains(safety))
        let area = try disk.openFile(EngineFixture.area(4), writable: false)
        let entries = try StoreReader(folder: disk).chunkMap(of: safety)
        for run in entries.runs {
            let start = AreaFormat(chunkBytes: 4096).offset(of: run.area)
            #expect(try area.firstData(in: start..<start + run.count * 4096) != nil)
        }
        #expect(entries.count == count)
    }

    @Test func `it answers as the engine that has the volume open, also in mid-merge`() throws {
        for fixture in try [fixture(), merging()] {
            let (engine, volume) = (fixture.engine, try stored(fixture.disk))
            #expect(volume.snapshots() == engine.snapshots())
            for id in engine.snapshots().map(\.manifest.id) {
                #expect(try volume.previewRevert(to: id) == engine.previewRevert(to: id))
                let known = try? engine.previewDelete([id])
                #expect((try? volume.previewDelete([id])) == known)
            }
            #expect(throws: Problem.self) { try volume.previewRevert(to: Self.id(9)) }
        }
    }

    @Test(arguments: [[1], [2], [1, 2], [2, 3], [1, 2, 3]] as [[Int64]])
    func `it collects of frozen areas what the engine collects`(ids: [Int64]) throws {
        let fixture = try fixture()
        try fixture.snapshot(4)
        try fixture.write(4, to: 0..<2)
        let copy = fixture.crashed(.keepAll)
        let ids = ids.map(SnapshotID.init(rawValue:))
        #expect(try stored(copy).delete(ids) == fixture.engine.delete(ids))
        let report = try stored(copy).collect()
        #expect(try report == fixture.engine.collect())
        let opened = try EngineFixture(opening: copy)
        #expect(opened.engine.snapshots() == fixture.engine.snapshots())
        for status in fixture.engine.snapshots() where status.state != .deleting {
            let id = status.manifest.id.rawValue
            #expect(try opened.content(id) == fixture.content(id))
        }
    }

    @Test func `an area that is damaged keeps nobody from deleting and collecting`() throws {
        let disk = try fixture().disk
        try disk.openFile(EngineFixture.area(1), writable: true).write([1, 2, 3], at: 0)
        #expect(try stored(disk).snapshots().map(\.exceptionCount) == [0, 12, 3])
        _ = try stored(disk).delete([Self.id(1)])
        #expect(try stored(disk).collect().removedAreas == [SnapshotOrdinal(rawValue: 1)])
        #expect(try stored(disk).snapshots().map(\.exceptionCount) == [12, 3])
    }

    @Test func `the safety snapshot cancels a merge, and nothing else can be cancelled`() throws {
        let id = RevertID(rawValue: 2)
        let idle = try StoreReader(folder: fixture().disk).state()
        #expect(#expect(throws: Problem.self) { try idle.cancelRequest(id) }?.code == .notFound)
        let state = try StoreReader(folder: merging().disk).state()
        let request = try state.cancelRequest(id)
        #expect(request.target == Self.id(4) && request.safety == nil && request.id == id)
        let target = try state.requireLive(Self.id(4))
        #expect(state.refusal(ofRevertTo: target, takingSafety: false)?.code == .refused)
    }
}
