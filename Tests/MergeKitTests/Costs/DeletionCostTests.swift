import MergeKit
import SnapshotModel
import StoreFormat
import System
import TestKit
import Testing

/// What deleting many costs, in operations on the disk.
@Suite struct DeletionCostTests {
    /// How many operations it takes to delete `deleted`, and to free what they needed, of so many snapshots.
    private func operations(
        deleting deleted: ClosedRange<Int64>, of count: Int64, kind: DiskOperation.Kind? = nil
    ) throws -> Int {
        let volume = try EngineFixture(chunks: 8)
        for id in 1...count {
            try volume.snapshot(id)
            try volume.write(UInt8(id % 251), to: Int(id % 8))
        }
        let counted = Monitored(0)
        volume.disk.observer = { operation in
            if kind == nil || operation.kind == kind { counted.withLock { $0 += 1 } }
        }
        _ = try volume.engine.delete(deleted.map { SnapshotID(rawValue: $0) })
        let report = try volume.engine.collect()
        volume.disk.observer = nil
        #expect(report.removedAreas.count == deleted.count)
        return counted.withLock { $0 }
    }

    @Test("what deleting ten costs does not grow with how many there are")
    func others() throws {
        #expect(try operations(deleting: 1...10, of: 200) == operations(deleting: 1...10, of: 20))
    }

    @Test("what deleting costs grows with how many go, and no faster")
    func each() throws {
        let costs = try [1, 11, 21].map { try operations(deleting: 1...$0, of: 60) }
        #expect(costs[2] - costs[1] == costs[1] - costs[0])
    }

    @Test("of many, the folder that all lie in is synced once")
    func syncs() throws {
        let few = try operations(deleting: 1...10, of: 30, kind: .syncFolder)
        let more = try operations(deleting: 1...20, of: 30, kind: .syncFolder)
        // The mark, and the manifest that is withdrawn.
        #expect(more - few == 2 * 10)
    }

    @Test("marks are made before the first of them is synced, and told as each is durable")
    func marks() throws {
        let volume = try EngineFixture(chunks: 4)
        let store = Store(folder: volume.disk)
        for id in 1...3 { try volume.snapshot(Int64(id)) }
        let names = (1...3).map { StoreLayout.deletedMark(SnapshotOrdinal(rawValue: $0)) }
        try store.writeMark(names[1])
        let steps = Monitored<[String]>([])
        volume.disk.observer = { operation in
            if operation.kind == .syncFolder { steps.withLock { $0.append("sync") } }
            if operation.kind == .create { steps.withLock { $0.append("make") } }
        }
        try store.writeMarks(names) { index in steps.withLock { $0.append("\(index)") } }
        volume.disk.observer = nil
        #expect(steps.withLock { $0 } == ["make", "make", "sync", "0", "1", "sync", "2"])
    }

    @Test("where a sync fails, what was durable before stays marked, and the rest is taken back")
    func failure() throws {
        let volume = try EngineFixture(chunks: 4)
        for id in 1...4 { try volume.snapshot(Int64(id)) }
        let disk = volume.disk
        let counted = Monitored(0)
        disk.observer = { operation in
            guard operation.kind == .syncFolder else { return }
            let count = counted.withLock {
                $0 += 1
                return $0
            }
            if count == 3 {
                disk.faults = FaultPlan(
                    .error(5), kinds: [.syncFolder], after: 0, isPermanent: false)
            }
        }
        let ids = (1...4).map { SnapshotID(rawValue: $0) }
        #expect(throws: Problem.self) { try volume.engine.delete(ids) }
        disk.observer = nil
        let live = try StoreReader(folder: disk).manifests().filter { !$0.isDeleted }.map(\.id)
        #expect(live == Array(ids.dropFirst(2)))
        #expect(try volume.engine.volumeState == StoreReader(folder: disk).state())
    }
}
