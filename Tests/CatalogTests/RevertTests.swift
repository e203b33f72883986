import Catalog
import SnapshotModel
import Testing

@Suite("Reverts in the catalog")
struct RevertTests {
    private let fixture: Fixture
    private let store: CatalogStore
    private let target: SnapshotManifest

    init() throws {
        fixture = try Fixture()
        store = try fixture.open(volumes: "data", "boot")
        target = try store.take("data", ordinal: 1)
        try store.take("data", ordinal: 2)
    }

    @Test(
        "a revert is unfinished from its beginning to its merge's end",
        arguments: MergeState.allCases)
    func phases(end: MergeState) throws {
        let id = try store.beginRevert(volume: "data", snapshot: target.id)
        let pending = try #require(try store.unfinishedReverts().first)
        #expect(pending.id == id)
        #expect(pending.state == nil)
        #expect(pending.begunAt == fixture.now)
        #expect(try store.snapshot(target.id)?.state == .frozen)

        let safety = try store.take("data", ordinal: 3)
        try store.commitRevert(id, safety: safety.id, planBytes: 4096)
        let merging = try #require(try store.unfinishedReverts().first)
        #expect(merging.state == .merging)
        #expect(merging.planBytes == 4096)
        #expect(merging.safetySnapshot == safety.id)
        #expect(try store.snapshot(target.id)?.state == .merging)
        #expect(try store.snapshot(safety.id)?.state == .active)

        try store.finishRevert(id, state: end)
        let row = try #require(try store.reverts(volume: "data").first)
        let hasEnded = end == .done || end == .cancelled
        #expect(row.state == end)
        #expect(row.isUnfinished == !hasEnded)
        #expect(try store.unfinishedReverts().isEmpty == hasEnded)
        #expect(try store.snapshot(target.id)?.state == (hasEnded ? .frozen : .merging))
    }

    @Test("the reverts of a set share a key and name the group")
    func group() throws {
        let other = try store.take("boot", ordinal: 1)
        for (volume, snapshot) in [("data", target.id), ("boot", other.id)] {
            _ = try store.beginRevert(
                volume: volume, snapshot: snapshot, group: ["data", "boot"], groupKey: 17)
        }
        let rows = try store.unfinishedReverts()
        #expect(rows.map(\.volume) == ["data", "boot"])
        #expect(rows.map(\.groupKey) == [17, 17])
        #expect(rows.map(\.group) == [["data", "boot"], ["data", "boot"]])
    }

    @Test("a revert that was abandoned is gone, and a committed one cannot be abandoned")
    func abandoning() throws {
        let abandoned = try store.beginRevert(volume: "data", snapshot: target.id)
        try store.abandonRevert(abandoned)
        #expect(try store.revert(abandoned) == nil)
        let committed = try store.beginRevert(volume: "data", snapshot: target.id)
        try store.commitRevert(committed, safety: nil, planBytes: 0)
        try store.abandonRevert(committed)
        #expect(try store.revert(committed) != nil)
    }

    @Test("steps out of order and strangers' snapshots are refused")
    func disorder() throws {
        expectError(.notFound) {
            _ = try store.beginRevert(volume: "boot", snapshot: target.id)
        }
        let id = try store.beginRevert(volume: "data", snapshot: target.id)
        expectError(.notFound) { try store.finishRevert(id, state: .done) }
        try store.commitRevert(id, safety: nil, planBytes: 0)
        expectError(.notFound) { try store.commitRevert(id, safety: nil, planBytes: 0) }
    }
}
