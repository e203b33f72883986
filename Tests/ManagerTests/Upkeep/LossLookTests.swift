import Catalog
import FoundationEssentials
import SnapshotModel
import StoreFormat
import Synchronization
import System
import TestKit
import Testing

@testable import Manager

/// Which snapshots are looked at for marks and headers that say that exceptions were lost.
@Suite struct LossLookTests {
    private let fixture: ManagerFixture

    init() throws {
        fixture = try ManagerFixture()
        _ = try fixture.manager.volumes.create(
            CreateRequest(
                name: "a", originPath: fixture.folder + "/a.img",
                createBytes: ManagerFixture.chunkBytes * ManagerFixture.chunkCount,
                chunkBytes: ManagerFixture.chunkBytes, storeFullPolicy: .breakSnapshots))
        for _ in 0..<12 { try fixture.snapshot("a") }
    }

    private func folder(_ ordinal: Int) -> String {
        StoreLayout.snapshotFolder(SnapshotOrdinal(rawValue: ordinal))
    }

    private var store: FileFolder { FileFolder(path: fixture.storePath("a")) }

    /// Puts a mark there that nobody has told the catalog of.
    private func mark(_ ordinal: Int) throws {
        _ = try store.createFile(folder(ordinal) + "/broken", byteCount: 0)
    }

    /// The ordinals of those that are said to be broken once a command has looked.
    private func broken() throws -> [Int] {
        _ = try fixture.manager.status.status(["a"])
        return try fixture.list().filter { $0.state == .broken }.map(\.manifest.ordinal.rawValue)
    }

    /// Up to which snapshot nothing is looked at.
    private func known() throws -> Int {
        try fixture.catalog().lossWatch(
            volume: "a", in: store.folderIdentity("snapshots"), safety: nil
        ).known.rawValue
    }

    @Test("a repair that fails has everything looked at again, whatever it has marked")
    func failedRepair() throws {
        #expect(try broken() == [])
        try mark(3)
        _ = try fixture.withEngine("a") { _ in
            #expect(throws: Problem.self) {
                _ = try fixture.manager.checks.check(["a"], readsData: false, repairs: true)
            }
        }
        #expect(try broken() == [1, 2, 3])
    }

    @Test("a deleted one that proves the loss of older ones is not looked at for ever")
    func proof() throws {
        try mark(12)
        #expect(try broken() == Array(1...12))
        _ = try fixture.manager.deletions.delete(["12"], isDryRun: false)
        for _ in 0..<12 { try fixture.snapshot("a") }
        #expect(try broken() == Array(1...11))
        #expect(try store.isFolder(folder(12)), "it proves it")
        #expect(try known() > 12)
    }

    @Test("the safety snapshot of a merge that begins meanwhile is not taken for whole")
    func beginning() throws {
        let record = RevertRecord(
            id: RevertID(rawValue: 1), target: SnapshotOrdinal(rawValue: 1),
            targetID: SnapshotID(rawValue: 1), safety: SnapshotOrdinal(rawValue: 10),
            safetyID: SnapshotID(rawValue: 10), tookSafetySnapshot: false, safetyEntryCount: 0,
            planChunkCount: 1, startedAt: fixture.clock.now())
        let (store, count) = (store, ListCount())
        let reader = try StoreReader(
            folder: WatchedFolder(store) { access, name in
                guard access == .lists, name == "reverts", count.next() == 2 else { return }
                try? store.makeFolder("reverts/000001")
                try? Store(folder: store).writeRevert(record)
            })
        let context = fixture.manager.status.context
        let look = LossLook(context: context, volume: try context.volume("a"), reader: reader)
        try fixture.catalog().forgetLooks(volume: "a", waits: false)
        look.remember(try look.look())
        #expect(try known() == 0)
    }

    private final class ListCount: Sendable {
        private let count = Mutex(0)

        func next() -> Int {
            count.withLock { count in
                count += 1
                return count
            }
        }
    }

    @Test("those that were whole when they had stopped to grow are looked at after a check")
    func once() throws {
        #expect(try broken() == [])
        try mark(3)
        #expect(try broken() == [], "it is not looked at")
        _ = try fixture.manager.checks.check(["a"], readsData: false, repairs: false)
        #expect(try broken() == [1, 2, 3])
    }

    @Test("what says of an opening that snapshots are lost is looked for in all of them")
    func opened() throws {
        #expect(try broken() == [])
        try mark(3)
        try fixture.snapshot("a")
        #expect(
            try fixture.list().filter { $0.state == .broken }.map(\.manifest.ordinal.rawValue)
                == [1, 2, 3])
    }

    @Test("those that may lose something yet are looked at each time", arguments: [11, 12])
    func last(ordinal: Int) throws {
        #expect(try broken() == [])
        try mark(ordinal)
        #expect(try broken() == Array(1...ordinal))
    }

    @Test("the newest one's header counts like a mark")
    func header() throws {
        #expect(try broken() == [])
        let area = try store.openFile(folder(12) + "/area.cow", writable: true)
        try area.write([UInt8](repeating: 0, count: 4).span.bytes, at: 4)
        #expect(try broken() == Array(1...12))
    }

    @Test("what could not be read is not known to be whole")
    func unread() throws {
        // The next look would note that the sixteenth, and all before it, are whole.
        for _ in 0..<6 { try fixture.snapshot("a") }
        let area = folder(12) + "/area.cow"
        try store.rename(area, to: "away")
        try store.makeFolder(area)
        #expect(try broken() == [])
        try store.removeFolder(area)
        try store.rename("away", to: area)
        try mark(12)
        #expect(try broken() == Array(1...12))
    }

    @Test("those before one that could not be read are noted")
    func beforeUnread() throws {
        for _ in 0..<20 { try fixture.snapshot("a") }
        let area = folder(25) + "/area.cow"
        try store.rename(area, to: "away")
        try store.makeFolder(area)
        try fixture.catalog().forgetLooks(volume: "a", waits: false)
        #expect(try broken() == [])
        #expect(try known() == 24)
    }

    @Test("what was taken since the catalog was written is looked at, too")
    func ahead() throws {
        #expect(try broken() == [])
        // As another state's catalog knows the store: it has seen no snapshot but the first ones.
        let reader = try StoreReader(folder: store)
        try mark(12)
        func lost(_ known: Int, _ newest: Int) throws -> Int? {
            try reader.losses(
                after: SnapshotOrdinal(rawValue: known), upTo: SnapshotOrdinal(rawValue: newest)
            ).lost?.rawValue
        }
        #expect(try lost(8, 10) == 12)
        #expect(try lost(12, 12) == nil)
        #expect(try lost(0, 12) == 12)
        #expect(try lost(8, 100) == 12, "of a store of another time, all is looked at")
    }

    @Test("of a store that was put back as it had been, nothing is believed")
    func putBack() throws {
        #expect(try broken() == [])
        try store.rename(folder(12), to: "away")
        try mark(3)
        #expect(try broken() == [1, 2, 3])
    }

    @Test("of a store that was copied nothing is believed")
    func copied() throws {
        #expect(try broken() == [])
        let path = fixture.storePath("a")
        try FileManager.default.moveItem(atPath: path, toPath: path + ".old")
        try FileManager.default.copyItem(atPath: path + ".old", toPath: path)
        try mark(3)
        #expect(try broken() == [1, 2, 3])
    }
}
