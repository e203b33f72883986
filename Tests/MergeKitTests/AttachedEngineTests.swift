import System
import MergeKit
import StoreFormat
import SnapshotModel
import TestKit
import Testing

/// The engine beside a kernel that has the volume in use.
struct AttachedEngineTests {
    private func attached(_ fixture: EngineFixture) throws -> LiveEngine {
        try LiveEngine.attach(store: fixture.disk, origin: fixture.disk.origin())
    }

    /// A volume with three snapshots, the second of which is deleted and not collected.
    private func fixture() throws -> EngineFixture {
        let fixture = try EngineFixture(chunks: 64)
        try fixture.snapshot(1)
        try fixture.write(1, to: 0..<8)
        try fixture.snapshot(2)
        try fixture.write(2, to: 4..<16)
        try fixture.snapshot(3)
        try fixture.write(3, to: 2..<5)
        try fixture.engine.flush()
        return fixture
    }

    @Test func `an attached engine sees the exceptions of the area that grows`() throws {
        let fixture = try fixture()
        let engine = try attached(fixture)
        #expect(engine.snapshots().map(\.exceptionCount) == [8, 12, 3])
        #expect(engine.snapshots().map(\.state) == [.frozen, .frozen, .active])
    }

    @Test func `attaching writes nothing`() throws {
        let fixture = try fixture()
        let changes = Monitored(0)
        fixture.disk.observer = { operation in
            if operation.kind.changesDisk { changes.change { $0 += 1 } }
        }
        _ = try attached(fixture)
        #expect(changes.withLock { $0 } == 0)
    }

    @Test func `an attached engine takes no writes, snapshots or reverts`() throws {
        let fixture = try fixture()
        let engine = try attached(fixture)
        let bytes = [UInt8](repeating: 9, count: 4096)
        #expect(throws: Problem.self) { try engine.write(bytes.span.bytes, at: 0) }
        #expect(throws: Problem.self) { try engine.takeSnapshot(EngineFixture.request(4)) }
        #expect(throws: Problem.self) {
            try engine.revert(
                RevertRequest(
                    id: RevertID(rawValue: 1), target: SnapshotID(rawValue: 1), safety: nil))
        }
        try engine.close()
    }

    @Test func `it deletes and collects frozen areas and leaves the one that grows alone`() throws {
        let fixture = try fixture()
        let engine = try attached(fixture)
        #expect(try engine.delete([SnapshotID(rawValue: 2)]).freedBytes == 4 * 4096)
        #expect(try engine.collect().punchedBytes == 4 * 4096)
        #expect(try engine.delete([SnapshotID(rawValue: 3)]).freedBytes > 0)
        let report = try engine.collect()
        #expect(!report.removedAreas.contains(SnapshotOrdinal(rawValue: 3)))
        #expect(
            try StoreReader(folder: fixture.disk).chunkMap(of: SnapshotOrdinal(rawValue: 3)).count
                == 3)
    }

    @Test func `it plans a revert as the engine that serves the volume does`() throws {
        let fixture = try fixture()
        let engine = try attached(fixture)
        for id in 1...3 {
            let id = SnapshotID(rawValue: Int64(id))
            #expect(try engine.previewRevert(to: id) == fixture.engine.previewRevert(to: id))
        }
    }
}
