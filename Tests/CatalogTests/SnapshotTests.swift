@testable import Catalog
import SnapshotModel
import Testing

@Suite("Snapshots in the catalog")
struct SnapshotTests {
    private let fixture: Fixture
    private let store: CatalogStore

    init() throws {
        fixture = try Fixture()
        store = try fixture.open(volumes: "data")
    }

    @Test("a manifest comes back with every field")
    func roundTrip() throws {
        let set = try store.beginSet(name: "before-upgrade")
        let manifest = try store.take(
            "data", ordinal: 4,
            SnapshotDescription(
                kind: .safety, consistency: .vm, name: "nächtlich", setID: set,
                setName: "before-upgrade", setVolumes: ["uuid-1", "uuid-2"], schedule: "hourly",
                tags: ["a\"b", ""], note: "line\nline", revertID: RevertID(rawValue: 5),
                idFloor: IDFloor(
                    snapshot: SnapshotID(rawValue: 1), set: SetID(rawValue: 2),
                    revert: RevertID(rawValue: 3))))
        let row = try #require(try store.snapshot(manifest.id))
        #expect(row.manifest == manifest)
        #expect(row.volume == "data")
        #expect(row.phase == .present)
        #expect(row.changedBytes == nil)
        #expect(row.holds == 0)
        #expect(row.name == "nächtlich")
    }

    @Test("each member of a set has its own list of volumes, also when it is another one, or none")
    func setVolumes() throws {
        let set = try store.beginSet(name: nil)
        let lists = [nil, ["uuid-1", "uuid-2"], ["uuid-1", "uuid-2"], ["uuid-3"], nil]
        let manifests = try lists.enumerated().map { index, list in
            let volume = "volume-\(index)"
            try store.insertVolume(.sample(volume))
            return try store.take(
                volume, ordinal: 1, SnapshotDescription(setID: set, setVolumes: list))
        }
        #expect(try store.snapshots(set: set).map(\.manifest) == manifests)
    }

    @Test("the volumes of a set are in the catalog once, and not with each of its members")
    func setVolumesOnce() throws {
        let names = (0..<100).map { "volume-of-a-large-set-of-volumes-\($0)" }
        for name in names { try store.insertVolume(.sample(name)) }
        let list = try store.volumes().map(\.record.uuid)
        let set = try store.beginSet(name: nil)
        try store.atomically("taking a set") {
            for name in names {
                try store.take(
                    name, ordinal: 1, SnapshotDescription(setID: set, setVolumes: list))
            }
        }
        let rows = try store.snapshots(set: set)
        #expect(rows.allSatisfy { $0.manifest.setVolumes == list } && rows.count == 100)
        #expect(Set(rows.map { $0.manifest.setVolumes?.storage }).count == 1)
        // The list alone takes 4 KiB: a hundred of them, 400.
        let bytes = try #require(try store.pragma("page_count").flatMap { Int($0) }) * 4096
        #expect(bytes < 384 << 10)
    }

    @Test("the newest snapshot is active and the others are frozen")
    func activeAndFrozen() throws {
        for ordinal in 1...3 { try store.take("data", ordinal: ordinal) }
        #expect(try store.snapshots(volume: "data").map(\.state) == [.frozen, .frozen, .active])
    }

    @Test("when the newest snapshot is removed, the one before it stays frozen")
    func frozenForGood() throws {
        try store.take("data", ordinal: 1)
        let newest = try store.take("data", ordinal: 2)
        try store.markDeleting([newest.id])
        try store.removeSnapshots([newest.id])
        #expect(try store.snapshots(volume: "data").map(\.state) == [.frozen])
    }

    @Test("a creation is seen as unfinished until it is committed")
    func creating() throws {
        let id = try store.beginSnapshot(
            volume: "data", description: SnapshotDescription(name: "half"))
        #expect(try store.unfinished(volume: "data").map(\.phase) == [.creating])
        #expect(try store.snapshots(volume: "data").isEmpty)
        #expect(try store.snapshots(volume: "data", named: "half").isEmpty)
        #expect(try store.latestSnapshot(volume: "data") == nil)

        let row = try #require(try store.unfinished(volume: "data").first)
        #expect(row.id == id)
        #expect(row.ordinal.rawValue == 0)
        var manifest = row.manifest
        expectError(.constraint) { try store.commitSnapshot(manifest, volume: "data") }
        manifest.ordinal = SnapshotOrdinal(rawValue: 1)
        try store.commitSnapshot(manifest, volume: "data")
        #expect(try store.unfinished(volume: "data").isEmpty)
        #expect(try store.snapshots(volume: "data").map(\.manifest) == [manifest])
        expectError(.notFound) { try store.commitSnapshot(manifest, volume: "data") }
    }

    @Test("a deletion is seen as unfinished until the row is removed")
    func deleting() throws {
        let manifest = try store.take("data", ordinal: 1)
        try store.markDeleting([manifest.id])
        try store.markDeleting([manifest.id])
        let row = try #require(try store.unfinished(volume: "data").first)
        #expect(row.phase == .deleting)
        #expect(row.state == .deleting)
        #expect(row.manifest.isDeleted)
        #expect(try store.latestSnapshot(volume: "data") == nil)
        try store.removeSnapshots([manifest.id])
        #expect(try store.unfinished(volume: "data").isEmpty)
        #expect(try store.snapshot(manifest.id) == nil)
    }

    @Test("marking several as deleted marks all or none")
    func deletingAllOrNone() throws {
        let manifest = try store.take("data", ordinal: 1)
        expectError(.notFound) {
            try store.markDeleting([manifest.id, SnapshotID(rawValue: 999)])
        }
        #expect(try store.snapshot(manifest.id)?.phase == .present)
    }

    @Test("an ordinal is one snapshot's")
    func ordinals() throws {
        let first = try store.take("data", ordinal: 1)
        expectError(.duplicate) { try store.take("data", ordinal: 1) }
        let found = try store.snapshot(volume: "data", ordinal: first.ordinal)
        #expect(found?.id == first.id)
    }

    @Test("a snapshot of a volume or a set that is not there is refused")
    func missingParents() throws {
        expectError(.notFound) {
            _ = try store.beginSnapshot(volume: "nobody", description: SnapshotDescription())
        }
        expectError(.constraint) {
            let description = SnapshotDescription(setID: SetID(rawValue: 9))
            _ = try store.beginSnapshot(volume: "data", description: description)
        }
        expectError(.notFound) { _ = try store.snapshots(volume: "nobody") }
    }

    @Test("breaking a chain marks the snapshots up to the ordinal, and no other volume's")
    func broken() throws {
        try store.insertVolume(.sample("boot"))
        for ordinal in 1...3 { try store.take("data", ordinal: ordinal) }
        try store.take("boot", ordinal: 1)
        try store.markBroken(volume: "data", upTo: SnapshotOrdinal(rawValue: 2))
        #expect(try store.snapshots(volume: "data").map(\.state) == [.broken, .broken, .active])
        #expect(try store.snapshots(volume: "boot").map(\.state) == [.active])
    }

    @Test("sizes are recorded one at a time and in a batch")
    func sizes() throws {
        let first = try store.take("data", ordinal: 1)
        let second = try store.take("data", ordinal: 2)
        try store.setSizes(first.id, changedBytes: 10, exclusiveBytes: nil)
        try store.setSizes([
            second.id: SnapshotSizes(changedBytes: nil, exclusiveBytes: 20),
            SnapshotID(rawValue: 99): SnapshotSizes(changedBytes: 1, exclusiveBytes: 1),
        ])
        let rows = try store.snapshots(volume: "data")
        #expect(rows.map(\.changedBytes) == [10, nil])
        #expect(rows.map(\.exclusiveBytes) == [nil, 20])
    }

    @Test("references find by name, by time and the newest")
    func references() throws {
        for ordinal in 1...4 {
            let name = ordinal % 2 == 0 ? "even" : nil
            try store.take("data", ordinal: ordinal, SnapshotDescription(name: name))
        }
        #expect(
            try store.snapshots(volume: "data", named: "even").map(\.ordinal.rawValue) == [2, 4])
        #expect(try store.latestSnapshot(volume: "data")?.ordinal.rawValue == 4)
        func ordinal(notAfter nanoseconds: Int64) throws -> Int? {
            let time = Timestamp(stored: nanoseconds)
            return try store.latestSnapshot(volume: "data", notAfter: time)?.ordinal.rawValue
        }
        #expect(try ordinal(notAfter: 3000) == 3)
        #expect(try ordinal(notAfter: 2999) == 2)
        #expect(try ordinal(notAfter: 999) == nil)
    }

    @Test("a set is found by id and by name with its members")
    func sets() throws {
        try store.insertVolume(.sample("boot"))
        let id = try store.beginSet(name: "friday")
        let other = try store.beginSet(name: nil)
        #expect(try store.set(id)?.snapshots == [])
        let members = try ["data", "boot"].map {
            try store.take($0, ordinal: 1, SnapshotDescription(setID: id, setName: "friday")).id
        }
        #expect(try store.set(named: "friday")?.snapshots == members)
        #expect(try store.snapshots(set: id).map(\.id) == members)
        #expect(try store.sets().map(\.id) == [id, other])
        #expect(try store.set(named: "monday") == nil)
        try store.abandonSet(id)
        try store.abandonSet(other)
        #expect(try store.sets().map(\.id) == [id])
        try store.removeSnapshots(members)
        #expect(try store.sets().isEmpty)
    }
}

extension [String] {
    /// Where the words are: the same of lists that share them.
    fileprivate var storage: UInt { withUnsafeBufferPointer { UInt(bitPattern: $0.baseAddress) } }
}
