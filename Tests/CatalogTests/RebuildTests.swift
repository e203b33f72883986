import Catalog
import SnapshotModel
import Testing

@Suite("Rebuilding the catalog")
struct RebuildTests {
    private let original: CatalogStore
    private let rebuilt: CatalogStore
    private let fixtures: [Fixture]

    init() throws {
        fixtures = [try Fixture(), try Fixture()]
        original = try fixtures[0].open(volumes: "boot", "data")
        rebuilt = try fixtures[1].open(volumes: "leftover")
        try Self.fill(original)
    }

    private static func fill(_ store: CatalogStore) throws {
        let set = try store.beginSet(name: "friday")
        let description = SnapshotDescription(
            setID: set, setName: "friday", setVolumes: ["uuid-of-boot", "uuid-of-data"])
        for volume in ["boot", "data"] {
            for ordinal in 1...3 { try store.take(volume, ordinal: ordinal) }
            let member = try store.take(volume, ordinal: 4, description)
            let revert = try store.beginRevert(
                volume: volume, snapshot: member.id, group: ["boot", "data"], groupKey: 3)
            let safety = try store.take(
                volume, ordinal: 5, SnapshotDescription(kind: .safety, revertID: revert))
            try store.commitRevert(revert, safety: safety.id, planBytes: 77)
            var generator = SeededGenerator(seed: 5)
            for ordinal in 1...4 {
                try store.storeChunkMap(
                    .random(&generator, runs: 50), volume: volume,
                    ordinal: SnapshotOrdinal(rawValue: ordinal))
            }
        }
        try store.markBroken(volume: "boot", upTo: SnapshotOrdinal(rawValue: 1))
        try store.markDeleting(store.snapshots(volume: "data").prefix(1).map(\.id))
        try store.finishRevert(store.unfinishedReverts()[0].id, state: .done)
    }

    /// What the stores would tell of the original.
    private func gathered() throws -> RebuiltCatalog {
        let all = SnapshotOrdinal(rawValue: 1)...SnapshotOrdinal(rawValue: 9)
        return RebuiltCatalog(
            volumes: try original.volumes().map { row in
                let name = row.record.name
                return RebuiltCatalog.Volume(
                    row: row, manifests: try original.snapshots(volume: name).map(\.manifest),
                    chunkMaps: try original.chunkMaps(volume: name, ordinals: all),
                    reverts: try original.reverts(volume: name),
                    brokenUpTo: name == "boot" ? all.lowerBound : nil)
            },
            idFloor: try original.idFloor())
    }

    @Test("a rebuilt catalog equals the original in all that a store knows")
    func equality() throws {
        try rebuilt.record(Event(.info, kind: "k", message: "m"))
        try rebuilt.replaceAll(with: gathered())
        #expect(try rebuilt.volumes() == original.volumes())
        #expect(try rebuilt.idFloor() == original.idFloor())
        #expect(try rebuilt.sets().map(\.snapshots) == original.sets().map(\.snapshots))
        #expect(try rebuilt.set(named: "friday")?.id == original.set(named: "friday")?.id)
        let all = SnapshotOrdinal(rawValue: 1)...SnapshotOrdinal(rawValue: 9)
        for name in ["boot", "data"] {
            #expect(try rebuilt.snapshots(volume: name) == original.snapshots(volume: name))
            #expect(try rebuilt.reverts(volume: name) == original.reverts(volume: name))
            let maps = try rebuilt.chunkMaps(volume: name, ordinals: all)
            #expect(try maps == original.chunkMaps(volume: name, ordinals: all))
            #expect(maps.count == 4)
        }
        #expect(try rebuilt.events(limit: 1).isEmpty)
        #expect(try rebuilt.integrityCheck() == [])
    }

    @Test("two stores that claim the same id stop the rebuild, and nothing has changed")
    func clash() throws {
        var content = try gathered()
        content.volumes[1].manifests[0].id = content.volumes[0].manifests[0].id
        expectError(.duplicate) { try rebuilt.replaceAll(with: content) }
        #expect(try rebuilt.volumes().map(\.record.name) == ["leftover"])
    }
}
