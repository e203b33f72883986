import SnapshotModel
import StoreFormat
import System
import TestKit
import Testing

@testable import MergeKit

@Suite("Collections that fail, and the next ones")
struct CollectionRetryTests {
    /// Three snapshots; the areas of 2 and 3 hold nothing that a live one needs once they are deleted.
    private func volume() throws -> EngineFixture {
        let volume = try EngineFixture(chunks: 8)
        for id in 1...4 as ClosedRange<Int64> {
            try volume.snapshot(id)
            try volume.write(UInt8(id), to: 0..<4)
        }
        try volume.delete(2)
        try volume.delete(3)
        return volume
    }

    private func folders(_ volume: EngineFixture) throws -> [Int] {
        try Store(folder: volume.disk).snapshotFolders().map(\.rawValue)
    }

    /// Lets what the paths and kinds fit fail, once.
    private func fail(
        _ kind: DiskOperation.Kind, of suffix: String, on disk: SimulatedDisk,
        during body: () throws -> Void
    ) {
        disk.observer = { operation in
            guard operation.kind == kind, operation.path.hasSuffix(suffix), disk.faults == nil
            else { return }
            disk.faults = FaultPlan(.error(5), kinds: [kind], after: 0, isPermanent: false)
        }
        #expect(throws: Problem.self) { try body() }
        disk.observer = nil
        disk.faults = nil
    }

    @Test("a folder that could not be removed keeps no other, and goes with the next collection")
    func triedAgain() throws {
        let volume = try volume()
        let before = try volume.content(1)
        let ordinals = try folders(volume)
        fail(
            .look, of: StoreLayout.manifest(SnapshotOrdinal(rawValue: ordinals[1])), on: volume.disk
        ) {
            _ = try volume.engine.collect()
        }
        #expect(try folders(volume) == [ordinals[0], ordinals[1], ordinals[3]])
        let report = try volume.engine.collect()
        #expect(report.removedAreas.isEmpty)
        #expect(try folders(volume) == [ordinals[0], ordinals[3]])
        #expect(try volume.content(1) == before)
    }

    @Test("a removal whose sync failed is synced before its area goes")
    func syncedAgain() throws {
        let volume = try volume()
        let before = try volume.content(1)
        let second = SnapshotOrdinal(rawValue: try folders(volume)[1])
        fail(.syncFolder, of: StoreLayout.snapshotFolder(second), on: volume.disk) {
            _ = try volume.engine.collect()
        }
        let synced = Monitored(false)
        let disk = volume.disk
        disk.observer = { operation in
            if operation.kind == .syncFolder,
                operation.path.hasSuffix(StoreLayout.snapshotFolder(second))
            {
                synced.withLock { $0 = true }
            }
            if operation.kind == .remove, operation.path.hasSuffix(StoreLayout.area(second)) {
                #expect(synced.withLock { $0 })
            }
        }
        _ = try volume.engine.collect()
        disk.observer = nil
        #expect(synced.withLock { $0 })
        let again = try EngineFixture(opening: volume.crashed(.dropAll))
        #expect(try again.content(1) == before)
    }
}
