import Catalog
import SnapshotModel
import Testing

@Suite("Ids are never given out twice")
struct IDTests {
    private let fixture: Fixture
    private let store: CatalogStore

    init() throws {
        fixture = try Fixture()
        store = try fixture.open(volumes: "data")
    }

    private func begin() throws -> Int64 {
        try store.beginSnapshot(volume: "data", description: SnapshotDescription()).rawValue
    }

    @Test("not after a snapshot was removed, nor after one was abandoned")
    func removedAndAbandoned() throws {
        let removed = try store.take("data", ordinal: 1)
        try store.removeSnapshots([removed.id])
        let abandoned = try begin()
        #expect(abandoned > removed.id.rawValue)
        try store.abandonSnapshot(SnapshotID(rawValue: abandoned))
        #expect(try store.unfinished(volume: "data").isEmpty)
        #expect(try begin() > abandoned)
    }

    @Test("not after a committed snapshot was wrongly abandoned: it stays")
    func abandonAfterCommit() throws {
        let manifest = try store.take("data", ordinal: 1)
        try store.abandonSnapshot(manifest.id)
        #expect(try store.snapshot(manifest.id) != nil)
    }

    @Test("not for sets and reverts either")
    func setsAndReverts() throws {
        let set = try store.beginSet(name: nil)
        try store.abandonSet(set)
        #expect(try store.beginSet(name: nil) > set)
        let snapshot = try store.take("data", ordinal: 1)
        let revert = try store.beginRevert(volume: "data", snapshot: snapshot.id)
        try store.abandonRevert(revert)
        #expect(try store.beginRevert(volume: "data", snapshot: snapshot.id) > revert)
    }

    @Test("the floor counts what was given out, can be raised, and is never lowered")
    func floor() throws {
        #expect(try store.idFloor() == IDFloor())
        let first = try begin()
        #expect(try store.idFloor().snapshot.rawValue == first)
        let floor = IDFloor(
            snapshot: SnapshotID(rawValue: 50), set: SetID(rawValue: 60),
            revert: RevertID(rawValue: 70))
        try store.raiseIDFloor(to: floor)
        try store.raiseIDFloor(to: IDFloor())
        #expect(try store.idFloor() == floor)
        #expect(try begin() == 51)
        #expect(try store.beginSet(name: nil).rawValue == 61)
    }

    @Test("not after a rebuild that found less than was given out, or more")
    func rebuild() throws {
        let given = try begin()
        try store.replaceAll(with: RebuiltCatalog(volumes: [.init(row: .sample("data"))]))
        let next = try begin()
        #expect(next > given)
        let manifest = SnapshotManifest(
            ordinal: SnapshotOrdinal(rawValue: 1), id: SnapshotID(rawValue: 5), volumeBytes: 512,
            takenAt: fixture.now,
            description: SnapshotDescription(
                setID: SetID(rawValue: 8), revertID: RevertID(rawValue: 30),
                idFloor: IDFloor(snapshot: SnapshotID(rawValue: 20))))
        try store.replaceAll(
            with: RebuiltCatalog(
                volumes: [.init(row: .sample("data"), manifests: [manifest])],
                idFloor: IDFloor(revert: RevertID(rawValue: 40))))
        #expect(try begin() == 21)
        #expect(try store.beginSet(name: nil).rawValue == 9)
        let revert = try store.beginRevert(volume: "data", snapshot: manifest.id)
        #expect(revert.rawValue == 41)
    }
}
