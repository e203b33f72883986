import SnapshotModel
import Testing

@testable import Catalog

@Suite("What the catalog remembers of the space that stores occupy")
struct UsageTests {
    private let fixture: Fixture

    init() throws { fixture = try Fixture() }

    private func ordinals(_ numbers: ClosedRange<Int>) -> [SnapshotOrdinal] {
        numbers.map { SnapshotOrdinal(rawValue: $0) }
    }

    /// A volume with so many snapshots, of which all but the newest are frozen.
    private func store(_ count: Int) throws -> CatalogStore {
        let store = try fixture.open(volumes: "data", "other")
        for ordinal in 1...count { try store.take("data", ordinal: ordinal) }
        for ordinal in ordinals(1...count).dropLast() {
            try store.storeChunkMap(ChunkMap(), volume: "data", ordinal: ordinal)
        }
        return store
    }

    private func record(
        _ store: CatalogStore, _ numbers: ClosedRange<Int>, in folder: String
    )
        throws
    {
        let bytes = ordinals(numbers).reduce(into: [:]) { $0[$1] = 1000 * $1.rawValue }
        try store.recordUsage(of: bytes, in: folder, volume: "data")
    }

    private func row(_ folder: String, _ count: Int, _ bytes: Int) -> StoreUsageRow {
        StoreUsageRow(
            folder: folder, snapshotsSeen: SnapshotOrdinal(rawValue: 6), snapshotCount: count,
            snapshotBytes: bytes)
    }

    @Test("only what changes no more is remembered: not the last two, and nothing without a map")
    func settled() throws {
        let store = try store(6)
        try store.removeChunkMap(volume: "data", ordinal: SnapshotOrdinal(rawValue: 2))
        #expect(
            try store.settledSnapshots(volume: "data", isCounted: false).map(\.rawValue).sorted()
                == [1, 3, 4])
        try record(store, 1...9, in: "folder")
        let usage = try store.storeUsage(volume: "data")
        #expect(usage == row("folder", 3, 8000))
        let counted = try store.countedSnapshots(volume: "data")
        #expect(counted.keys.map(\.rawValue).sorted() == [1, 3, 4])
        #expect(try store.settledSnapshots(volume: "data", isCounted: false).isEmpty)
        let settled = try store.settledSnapshots(volume: "data", isCounted: true)
        #expect(settled.map(\.rawValue).sorted() == [1, 3, 4])
        #expect(try store.storeUsage(volume: "other").folder == nil)
    }

    @Test("who has something else to write waits for others as before")
    func waits() throws {
        let store = try store(4)
        let timeout = try #require(try store.busyTimeout())
        #expect(timeout > 0)
        try record(store, 1...2, in: "folder")
        #expect(try store.busyTimeout() == timeout)
    }

    @Test("what is deleted is not counted from the moment on at which that begins")
    func deleted() throws {
        let store = try store(6)
        try record(store, 1...4, in: "folder")
        let ids = try store.snapshots(volume: "data").map(\.id)
        try store.markDeleting([ids[0]])
        #expect(try store.storeUsage(volume: "data").snapshotBytes == 9000)
        try store.removeSnapshots([ids[0]])
        #expect(try store.storeUsage(volume: "data").snapshotCount == 3)
    }

    @Test("what was counted in another folder is forgotten")
    func folder() throws {
        let store = try store(6)
        try record(store, 1...4, in: "folder")
        try record(store, 2...2, in: "copy")
        let usage = try store.storeUsage(volume: "data")
        #expect(usage == row("copy", 1, 2000))
        let index = IndexUsage(stamp: "stamp", bytes: 5)
        try store.recordUsage(of: index, volume: "data")
        #expect(try store.storeUsage(volume: "data").index == index)
        expectError(.notFound) { _ = try store.storeUsage(volume: "nobody") }
    }

    @Test(
        "a look takes the same few statements, however many snapshots there are, and reads no row")
    func constant() throws {
        let store = try store(40)
        try record(store, 1...38, in: "folder")
        let count = try store.statementCount { _ = try store.storeUsage(volume: "data") }
        #expect((1...6).contains(count))
        let plan = try store.usagePlan(volume: "data")
        let looks = plan.filter { $0.contains("snapshot") }
        #expect(looks.count == 2 && looks.allSatisfy { $0.contains("COVERING INDEX") }, "\(plan)")
    }

    @Test("the volume's growth is told newest first, as far back as it is asked for")
    func growth() throws {
        let store = try store(5)
        let ids = try store.snapshots(volume: "data").map(\.id)
        try store.setSizes(ids[3], changedBytes: 77, exclusiveBytes: nil)
        let since = Timestamp(stored: 3000)
        let rows = try store.growth(volume: "data", since: since, limit: 10)
        #expect(rows.map(\.takenAt.stored) == [5000, 4000, 3000])
        #expect(rows.map(\.changedBytes) == [0, 77, 0])
        #expect(try store.growth(volume: "data", since: since, limit: 1).count == 1)
    }

    @Test("safety snapshots are found in a stretch, and only there")
    func safety() throws {
        let store = try store(5)
        try store.take("data", ordinal: 6, SnapshotDescription(kind: .safety))
        func found(_ range: Range<Int>) throws -> Bool {
            try store.hasSafetySnapshot(
                volume: "data",
                in: SnapshotOrdinal(
                    rawValue: range.lowerBound)..<SnapshotOrdinal(rawValue: range.upperBound))
        }
        #expect(try found(6..<7) && found(1..<9))
        #expect(try !found(1..<6) && !found(7..<9) && !found(6..<6))
    }
}
