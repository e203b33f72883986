import SnapshotModel
import Testing

@testable import Catalog

/// What deleting many costs, in statements.
@Suite struct DeletionCostTests {
    private func statements(deleting deleted: Int, of count: Int) throws -> [Int] {
        let fixture = try Fixture()
        let store = try fixture.open(volumes: "data")
        let taken = try (1...count).map { try store.take("data", ordinal: $0) }.prefix(deleted)
        let (ids, ordinals) = (taken.map(\.id), taken.map(\.ordinal))
        return try [
            { _ = try store.holds(snapshots: ids) }, { _ = try store.snapshots(ids) },
            { try store.markDeleting(ids) }, { try store.removeSnapshots(ids) },
            { try store.removeChunkMaps(volume: "data", ordinals: ordinals) },
        ].map { (body: () throws -> Void) in try store.statementCount(body) }
    }

    @Test("however many go, and of however many, it takes the same few statements")
    func constant() throws {
        let one = try statements(deleting: 1, of: 20)
        #expect(one.allSatisfy { (1...8).contains($0) })
        #expect(try statements(deleting: 20, of: 20) == one)
        #expect(try statements(deleting: 20, of: 200) == one)
    }
}
