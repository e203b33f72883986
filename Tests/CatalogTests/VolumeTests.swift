import Catalog
import SnapshotModel
import Testing

@Suite("Volumes in the catalog")
struct VolumeTests {
    private let fixture: Fixture

    init() throws { fixture = try Fixture() }

    @Test("a volume comes back with every field")
    func roundTrip() throws {
        let store = try fixture.open(volumes: "data", "boot")
        #expect(try store.volume(named: "data") == .sample("data"))
        #expect(try store.volumes().map(\.record.name) == ["boot", "data"])
        #expect(try store.volume(named: "DATA") == nil)
    }

    @Test("a name, a UUID and a store belong to one volume")
    func duplicates() throws {
        let store = try fixture.open(volumes: "data")
        for change in [
            { (row: inout VolumeRow) in row.record.name = "data" },
            { $0.record.uuid = "uuid-of-data" },
            { $0.storePath = "/stores/data" },
        ] {
            var row = VolumeRow.sample("other")
            change(&row)
            expectError(.duplicate) { try store.insertVolume(row) }
        }
        #expect(try store.volumes().count == 1)
    }

    @Test("an update finds the volume by its UUID, so it can be renamed")
    func update() throws {
        let store = try fixture.open(volumes: "data", "boot")
        var row = VolumeRow.sample("data")
        row.record.name = "archive"
        row.record.geometry.volumeBytes *= 2
        row.snapshotsSeen = SnapshotOrdinal(rawValue: 9)
        try store.updateVolume(row)
        #expect(try store.volume(named: "archive") == row)
        #expect(try store.volume(named: "data") == nil)
        row.snapshotsSeen = SnapshotOrdinal(rawValue: 8)
        try store.updateVolume(row)
        #expect(try store.volume(named: "archive")?.snapshotsSeen.rawValue == 9)
        row.record.name = "boot"
        expectError(.duplicate) { try store.updateVolume(row) }
        expectError(.notFound) { try store.updateVolume(.sample("nobody")) }
    }

    @Test("removing a volume takes its snapshots, maps, holds and reverts, and leaves events")
    func removal() throws {
        let store = try fixture.open(volumes: "data", "boot")
        let set = try store.beginSet(name: "weekly")
        let lonely = try store.beginSet(name: "lonely")
        let kept = try store.take("boot", ordinal: 1, SnapshotDescription(setID: set))
        let gone = try store.take("data", ordinal: 1, SnapshotDescription(setID: set))
        let second = try store.take("data", ordinal: 2, SnapshotDescription(setID: lonely))
        try store.storeChunkMap(ChunkMap(), volume: "data", ordinal: gone.ordinal)
        try store.hold(gone.id, owner: "me", reason: "test")
        _ = try store.beginRevert(volume: "data", snapshot: gone.id)
        try store.record(Event(.info, kind: "test", message: "kept", volume: "data"))

        try store.removeVolume(named: "data")

        #expect(try store.snapshot(gone.id) == nil)
        #expect(try store.snapshot(second.id) == nil)
        #expect(try store.snapshot(kept.id) != nil)
        #expect(try store.holds().isEmpty)
        #expect(try store.unfinishedReverts().isEmpty)
        #expect(try store.set(set)?.snapshots == [kept.id])
        #expect(try store.set(lonely) == nil)
        #expect(try store.events(limit: 10).map(\.message) == ["kept"])
        #expect(try store.integrityCheck() == [])
        // A volume of the same name begins without the old one's maps.
        try store.insertVolume(.sample("data"))
        #expect(try store.chunkMap(volume: "data", ordinal: gone.ordinal) == nil)
        expectError(.notFound) { try store.removeVolume(named: "nobody") }
    }
}
