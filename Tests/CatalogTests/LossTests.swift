import SnapshotModel
import Testing

@testable import Catalog

@Suite("What the catalog remembers of snapshots that have lost nothing")
struct LossTests {
    private let fixture: Fixture

    init() throws { fixture = try Fixture() }

    private func store(_ count: Int) throws -> CatalogStore {
        let store = try fixture.open(volumes: "data", "other")
        for ordinal in 1...count { try store.take("data", ordinal: ordinal) }
        return store
    }

    private func watch(
        _ store: CatalogStore, in folder: String? = "folder", safety: Int? = nil
    ) throws -> LossWatch {
        try store.lossWatch(
            volume: "data", in: folder, safety: safety.map { SnapshotOrdinal(rawValue: $0) })
    }

    private func record(_ store: CatalogStore) throws {
        try record(store, try watch(store))
    }

    private func record(_ store: CatalogStore, _ watch: LossWatch, upTo last: Int = 100) throws {
        try store.recordKnown(
            watch, upTo: SnapshotOrdinal(rawValue: last), in: "folder", volume: "data")
    }

    @Test("the last two, and all from the safety snapshot of a merge on, may lose something yet")
    func settled() throws {
        let store = try store(10)
        #expect(try watch(store).settled?.ordinal.rawValue == 8)
        #expect(try watch(store, safety: 5).settled?.ordinal.rawValue == 4)
        #expect(try watch(store, safety: 9).settled?.ordinal.rawValue == 8)
        #expect(try watch(store, safety: 1).settled == nil)
        #expect(try watch(store).newest.rawValue == 10)
        #expect(try store.lossWatch(volume: "other", in: "folder", safety: nil).settled == nil)
    }

    @Test("what is known is known of one folder, and until the volume is doubted")
    func folder() throws {
        let store = try store(10)
        #expect(try watch(store).known.rawValue == 0)
        try record(store)
        #expect(try watch(store).known.rawValue == 8)
        #expect(try watch(store, in: "copy").known.rawValue == 0)
        #expect(try watch(store, in: nil).known.rawValue == 0)
        try store.forgetLooks(volume: "data", waits: false)
        #expect(try watch(store).known.rawValue == 0)
    }

    @Test("a look that began before it was forgotten notes nothing", arguments: [false, true])
    func forgottenMeanwhile(wasKnown: Bool) throws {
        let store = try store(10)
        if wasKnown { try record(store) }
        let watch = try self.watch(store)
        try store.forgetLooks(volume: "data", waits: false)
        try record(store, watch)
        #expect(try self.watch(store).known.rawValue == 0)
    }

    @Test("of those up to one that could be looked at, the last that is there is noted")
    func upTo() throws {
        let store = try store(10)
        let watch = try self.watch(store)
        try store.removeSnapshots([try store.snapshots(volume: "data")[4].id])
        try record(store, watch, upTo: 5)
        #expect(try self.watch(store).known.rawValue == 4)
        try record(store, watch, upTo: 0)
        #expect(try self.watch(store).known.rawValue == 4)
    }

    @Test("it is known as long as the snapshot, or an older one of its time, is there")
    func deleted() throws {
        let store = try store(10)
        try record(store)
        let ids = try store.snapshots(volume: "data").map(\.id)
        try store.markDeleting([ids[7]])
        #expect(try watch(store).known.rawValue == 7)
        try store.removeSnapshots([ids[7]])
        try store.removeSnapshots(Array(ids[1..<7]))
        #expect(try watch(store).known.rawValue == 1)
        // A chain that begins anew has ordinals that were others' before.
        try store.removeSnapshots([ids[0], ids[8], ids[9]])
        for ordinal in 1...4 { try store.take("data", ordinal: ordinal) }
        #expect(try watch(store).known.rawValue == 0)
    }

    @Test("those that are broken need not be looked at again")
    func broken() throws {
        let store = try store(10)
        try store.markBroken(volume: "data", upTo: SnapshotOrdinal(rawValue: 3))
        #expect(try watch(store).known.rawValue == 3)
        try record(store)
        #expect(try watch(store).known.rawValue == 8)
        try store.markBroken(volume: "data", upTo: SnapshotOrdinal(rawValue: 9))
        #expect(try watch(store).known.rawValue == 9)
    }
}
