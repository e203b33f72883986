import SnapshotModel
import System
import TestKit
import Testing

@testable import StoreFormat

@Suite("Who reads a store without a lock, while a merge ends")
struct EndingMergeTests {
    private let disk = SimulatedDisk()

    init() throws { try disk.makeFolder("reverts") }

    private func record(_ id: Int64) -> RevertRecord {
        let ordinal = SnapshotOrdinal(rawValue: 1)
        let snapshot = SnapshotID(rawValue: 1)
        return RevertRecord(
            id: RevertID(rawValue: id), target: ordinal, targetID: snapshot, safety: ordinal,
            safetyID: snapshot, tookSafetySnapshot: false, safetyEntryCount: 0,
            planChunkCount: 1, startedAt: Timestamp(stored: VirtualClock.start))
    }

    private func begin(_ id: Int64) throws {
        try disk.makeFolder("reverts/00000\(id)")
        try Store(folder: disk).writeRevert(record(id))
    }

    /// A store of which the record of revert 4 goes when it is read, after `body` was called.
    private func ending(_ body: @escaping @Sendable () -> Void = {}) -> Store {
        let disk = disk
        return Store(
            folder: WatchedFolder(disk) { access, name in
                guard access == .reads, name == "reverts/000004/revert.json" else { return }
                body()
                try? disk.removeFile(name)
            })
    }

    @Test("a record that goes between the look and the reading is that of no running merge")
    func gone() throws {
        try begin(4)
        #expect(try ending().runningRevert() == nil)
        #expect(try !disk.exists("reverts/000004/revert.json"), "it was there at first")
    }

    @Test("where it goes because a later revert has replaced it, that one runs")
    func replaced() throws {
        try begin(4)
        let (disk, successor) = (disk, record(5))
        // Its folder is not in a list that was made before.
        let store = ending {
            try? disk.makeFolder("reverts/000005")
            try? Store(folder: disk).writeRevert(successor)
        }
        #expect(try store.runningRevert()?.id.rawValue == 5)
    }
}
