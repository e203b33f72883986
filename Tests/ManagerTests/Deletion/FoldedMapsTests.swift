import Catalog
import MergeKit
import SnapshotModel
import StoreFormat
import System
import Testing

@testable import Manager

/// What the catalog knows of areas that have taken over what others held.
@Suite struct FoldedMapsTests {
    private let fixture: ManagerFixture

    init() throws {
        fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        for number in 1...8 {
            try fixture.snapshot("a")
            try fixture.write(UInt8(number), to: number..<number + 1, of: "a")
        }
    }

    /// As the server does it in the background, of which the catalog hears later.
    private func fold() throws {
        try fixture.withEngine("a") { engine in
            while try engine.fold(byteLimit: 1 << 20) {}
        }
    }

    private func changed(_ older: String, _ newer: String) throws -> [Range<Int>] {
        try fixture.manager.diffs.diff(older, newer).ranges
    }

    private func folders() throws -> Int {
        try StoreReader(
            folder: FileFolder(path: fixture.storePath("a"))
        ).snapshotFolders().count
    }

    @Test("what changed is told in full although the catalog has not heard of a fold")
    func diff() throws {
        let pairs = [("1", "8"), ("1", "6"), ("6", "a@live"), ("1", "a@live")]
        let before = try pairs.map { try changed($0.0, $0.1) }
        _ = try fixture.manager.deletions.delete(["2", "3", "4", "5", "7"], isDryRun: false)
        #expect(try pairs.map { try changed($0.0, $0.1) } == before)
        try fold()
        #expect(try folders() == 3)
        #expect(try pairs.map { try changed($0.0, $0.1) } == before)
        // Also where it does not know one of the areas that went.
        for ordinal in 2...7 {
            try fixture.catalog().removeChunkMap(
                volume: "a", ordinal: SnapshotOrdinal(rawValue: ordinal))
        }
        #expect(try pairs.map { try changed($0.0, $0.1) } == before)
    }

    @Test("the next deletion tells the catalog, and what snapshots hold and occupy is right then")
    func told() throws {
        _ = try fixture.manager.deletions.delete(["2", "3"], isDryRun: false)
        let first = SnapshotOrdinal(rawValue: 1)
        #expect(try fixture.catalog().countedSnapshots(volume: "a")[first] != nil)
        try fixture.withEngine("a") { engine in
            while try engine.fold(byteLimit: 1 << 20) {}
            let told = engine.takeRemovedAreas()
            let books = try AreaBookkeeper(context, context.volume("a"))
            let extended = try books.extended(told)
            #expect(extended.keys.map(\.rawValue) == [1])
            try books.snapshotsDeleted([:], removedAreas: told, extended)
        }
        let catalog = try fixture.catalog()
        #expect(try catalog.countedSnapshots(volume: "a")[first] == nil)
        let map = try catalog.chunkMap(volume: "a", ordinal: first)
        #expect(map?.count == 3)
        let reader = try StoreReader(folder: FileFolder(path: fixture.storePath("a")))
        #expect(try map == reader.chunkMap(of: first))
        #expect(
            try fixture.manager.status.status(["a"]).first?.volume.storeBytes
                == StoreUsage.bytes(fixture.storePath("a")))
    }

    private var context: ManagerContext { fixture.manager.status.context }
}
