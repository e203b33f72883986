@testable import Catalog
import SnapshotModel
import Testing

@Suite("Listing snapshots")
struct QueryTests {
    private let fixture: Fixture

    init() throws { fixture = try Fixture() }

    /// A catalog of `count` snapshots of two volumes, taken in turn, newest ids not newest times.
    private func filled(_ count: Int) throws -> CatalogStore {
        let volumes = ["boot", "data"].enumerated().map { parity, name in
            RebuiltCatalog.Volume(
                row: .sample(name),
                manifests: (1...count).filter { $0 % 2 == parity }.map { number in
                    SnapshotManifest(
                        ordinal: SnapshotOrdinal(rawValue: number),
                        id: SnapshotID(rawValue: Int64(number)), volumeBytes: 512,
                        takenAt: Timestamp(stored: Int64(number * 7919 % 1_000_003)),
                        description: SnapshotDescription(
                            name: number % 100 == 0 ? "hundred" : nil, tags: ["t"]))
                })
        }
        let store = try fixture.open()
        try store.replaceAll(with: RebuiltCatalog(volumes: volumes))
        return store
    }

    @Test(
        "pages join up to the whole list, in either direction, for every column",
        arguments: SnapshotQuery.Order.allCases)
    func pages(order: SnapshotQuery.Order) throws {
        let store = try filled(50)
        for isDescending in [false, true] {
            var query = SnapshotQuery(order: order, isDescending: isDescending)
            let whole = try store.snapshots(query: query).map(\.id)
            #expect(Set(whole).count == 50)
            query.limit = 7
            var pages: [SnapshotID] = []
            while pages.count < 50 {
                query.offset = pages.count
                pages += try store.snapshots(query: query).map(\.id)
            }
            #expect(pages == whole)
        }
    }

    @Test("filters by volume, by name and by set are combined")
    func filters() throws {
        let store = try filled(300)
        #expect(try store.snapshots(query: SnapshotQuery(volumes: ["data"])).count == 150)
        #expect(try store.snapshots(query: SnapshotQuery(volumes: ["data", "boot"])).count == 300)
        let named = SnapshotQuery(volumes: ["boot"], name: "hundred", order: .id)
        #expect(try store.snapshots(query: named).map(\.id.rawValue) == [100, 200, 300])
        #expect(try store.snapshots(query: SnapshotQuery(set: SetID(rawValue: 1))).isEmpty)
        expectError(.notFound) {
            _ = try store.snapshots(query: SnapshotQuery(volumes: ["nobody"]))
        }
    }

    @Test("the nearest snapshot on a side is found, past those that are being deleted")
    func nearest() throws {
        let store = try filled(40)
        func id(_ side: ChainSide, of ordinal: Int) throws -> Int64? {
            try store.nearestSnapshot(
                volume: "data", to: SnapshotOrdinal(rawValue: ordinal), side)?.id.rawValue
        }
        // Those of this volume have the odd ordinals.
        #expect(try id(.older, of: 11) == 9 && id(.newer, of: 11) == 13)
        #expect(try id(.older, of: 12) == 11 && id(.newer, of: 12) == 13)
        try store.markDeleting([5, 7, 9, 13].map { SnapshotID(rawValue: $0) })
        #expect(try id(.older, of: 11) == 3 && id(.newer, of: 11) == 15)
        #expect(try id(.older, of: 1) == nil && id(.newer, of: 39) == nil)
        try store.markDeleting([SnapshotID(rawValue: 1), SnapshotID(rawValue: 3)])
        #expect(try id(.older, of: 11) == nil)
    }

    @Test("the first page of a hundred thousand comes from an index, without sorting")
    func hugeList() throws {
        let store = try filled(100_000)
        for (query, index) in [
            (SnapshotQuery(isDescending: true, limit: 50), "snapshot_by_time"),
            (SnapshotQuery(volumes: ["data"], limit: 50), "snapshot_by_volume_time"),
            (SnapshotQuery(volumes: ["data"], order: .ordinal, limit: 50), "snapshot_by_ordinal"),
            (SnapshotQuery(order: .id, limit: 50), "SCAN s"),
        ] {
            #expect(try store.snapshots(query: query).count == 50)
            let plan = try store.plan(of: query)
            #expect(plan.first?.contains(index) == true, "\(plan)")
            #expect(!plan.contains { $0.contains("TEMP B-TREE") }, "\(plan)")
        }
        for order in [SnapshotQuery.Order.takenAt, .id] {
            for volumes in [["data"], []] {
                let named = SnapshotQuery(volumes: volumes, name: "hundred", order: order)
                let plan = try store.plan(of: named)
                #expect(plan.first?.contains("snapshot_by_name") == true, "\(plan)")
            }
        }
        let first = try store.snapshots(query: SnapshotQuery(isDescending: true, limit: 2))
        #expect(first[0].takenAt > first[1].takenAt)
    }
}
