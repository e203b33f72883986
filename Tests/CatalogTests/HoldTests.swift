import Catalog
import SnapshotModel
import Testing

@Suite("Holds in the catalog")
struct HoldTests {
    private let fixture: Fixture
    private let store: CatalogStore
    private let snapshot: SnapshotID

    init() throws {
        fixture = try Fixture()
        store = try fixture.open(volumes: "data")
        snapshot = try store.take("data", ordinal: 1).id
    }

    @Test("a hold keeps a snapshot from being deleted until it expires")
    func expiry() throws {
        try store.hold(
            snapshot, owner: "audit", reason: "case 7", until: fixture.now.advanced(bySeconds: 60))
        fixture.advance(seconds: 59)
        #expect(try store.holds(snapshot: snapshot).map(\.isExpired) == [false])
        #expect(try store.snapshot(snapshot)?.holds == 1)
        expectError(.held) { try store.markDeleting([snapshot]) }

        fixture.advance(seconds: 1)
        #expect(try store.holds(snapshot: snapshot).map(\.isExpired) == [true])
        #expect(try store.snapshot(snapshot)?.holds == 0)
        try store.markDeleting([snapshot])
    }

    @Test("a hold without an end keeps until it is released")
    func release() throws {
        try store.hold(snapshot, owner: "a", reason: "one")
        try store.hold(snapshot, owner: "b", reason: "two")
        fixture.advance(seconds: 1_000_000_000)
        #expect(try store.snapshot(snapshot)?.holds == 2)
        #expect(try store.release(snapshot, owner: "a") == 1)
        #expect(try store.release(snapshot, owner: "a") == 0)
        #expect(try store.holds().map(\.owner) == ["b"])
        #expect(try store.release(snapshot) == 1)
        #expect(try store.holds().isEmpty)
    }

    @Test("holding again for the same reason replaces the end")
    func holdingAgain() throws {
        try store.hold(snapshot, owner: "a", reason: "one", until: fixture.now)
        fixture.advance(seconds: 5)
        try store.hold(snapshot, owner: "a", reason: "one")
        let row = try #require(try store.holds(snapshot: snapshot).first)
        #expect(row.until == nil)
        #expect(row.heldAt == fixture.now)
        #expect(try store.holds().count == 1)
    }

    @Test("an owner's holds for several reasons stand beside each other")
    func reasons() throws {
        try store.hold(
            snapshot, owner: "a", reason: "one", until: fixture.now.advanced(bySeconds: 5))
        try store.hold(snapshot, owner: "a", reason: "two")
        try store.hold(snapshot, owner: "b", reason: "two")
        #expect(try store.snapshot(snapshot)?.holds == 3)
        fixture.advance(seconds: 5)
        #expect(try store.snapshot(snapshot)?.holds == 2)
        #expect(try store.holds().map(\.reason) == ["one", "two", "two"])
        #expect(try store.release(snapshot, owner: "a", reason: "none") == 0)
        #expect(try store.release(snapshot, owner: "a", reason: "two") == 1)
        #expect(try store.holds().map(\.owner) == ["a", "b"])
        try store.hold(snapshot, owner: "a", reason: "two")
        #expect(try store.release(snapshot, owner: "a") == 2)
        #expect(try store.holds().map(\.owner) == ["b"])
    }

    @Test("what is not there, not made yet or being deleted cannot be held")
    func refused() throws {
        let creating = try store.beginSnapshot(
            volume: "data", description: SnapshotDescription())
        try store.markDeleting([snapshot])
        for id in [SnapshotID(rawValue: 99), creating, snapshot] {
            expectError(.notFound) { try store.hold(id, owner: "a", reason: "r") }
        }
    }
}
