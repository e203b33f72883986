import Catalog
import FoundationEssentials
import Glibc
import Monitoring
import SnapshotModel
import StoreFormat
import System
import Testing

@testable import Manager

/// What a store occupies, as it is told and as it is.
@Suite struct StoreCountTests {
    private let fixture: ManagerFixture

    init() throws {
        fixture = try ManagerFixture()
        try fixture.makeVolume("a")
    }

    private func take(_ count: Int) throws {
        for number in 1...count {
            try fixture.write(UInt8(number), to: number % 7..<number % 7 + 3, of: "a")
            try fixture.snapshot("a")
        }
    }

    private func told(_ manager: Manager? = nil) throws -> Int? {
        try (manager ?? fixture.manager).status.status(["a"]).first?.volume.storeBytes
    }

    private func truth() throws -> Int { try StoreUsage.bytes(fixture.storePath("a")) }

    private func folder(_ ordinal: Int) -> String {
        fixture.storePath("a") + "/"
            + StoreLayout.snapshotFolder(SnapshotOrdinal(rawValue: ordinal))
    }

    /// Puts a file there that nobody has told the catalog of.
    private func fill(_ folder: String) throws {
        try FileFolder(path: folder).writeFile("strange", [UInt8](repeating: 7, count: 1 << 16))
    }

    @Test("what is told is what all files occupy, whatever was done before")
    func truthful() throws {
        try take(6)
        #expect(try told() == truth())
        _ = try fixture.manager.deletions.delete(["2", "4"], isDryRun: false)
        #expect(try told() == truth())
        _ = try fixture.manager.reverts.revert("3", RevertOptions(waits: true))
        #expect(try told() == truth())
        try take(3)
        _ = try fixture.manager.deletions.delete(["1"], isDryRun: false)
        #expect(try told() == truth())
        _ = try fixture.manager.reverts.revert("5", RevertOptions(waits: false))
        #expect(try told() == truth())
        try take(2)
        #expect(try told() == truth())
        _ = try RebuildService(fixture.options).rebuild(store: nil)
        #expect(try told() == truth())
        #expect(try told(fixture.nextCommand()) == truth())
        // A manifest with many labels takes more.
        let tags = (0..<100).map {
            String(repeating: "t", count: 200) + String($0)
        }
        _ = try fixture.manager.labels.modify(LabelRequest(["3"], addedTags: tags))
        #expect(try told() == truth())
    }

    @Test("a snapshot that changes no more is counted once, the last two each time")
    func counted() throws {
        try take(6)
        let before = try #require(try told())
        for ordinal in 1...4 { try fill(folder(ordinal)) }
        #expect(try told() == before, "these are not asked for again")
        try fill(folder(5))
        try fill(folder(6))
        #expect(try told() == before + 2 << 16)
    }

    @Test("taking a snapshot counts the last but two, without a look at the others")
    func taking() throws {
        try take(4)
        #expect(try fixture.catalog().storeUsage(volume: "a").snapshotCount == 2)
        for ordinal in 1...2 { try fill(folder(ordinal)) }
        try take(1)
        let usage = try fixture.catalog().storeUsage(volume: "a")
        #expect(usage.snapshotCount == 3)
        #expect(try told() == truth() - 2 << 16)
    }

    @Test("who takes a snapshot measures what changes no more, and only that")
    func measured() throws {
        try take(5)
        let context = fixture.manager.status.context
        let volume = try context.volume("a")
        func settled(_ ordinal: Int) -> SettledUsage? {
            StoreCount(context, volume).settled(SnapshotOrdinal(rawValue: ordinal))
        }
        try fixture.catalog().forgetLooks(volume: "a", waits: false)
        #expect(settled(3) == nil, "all would be counted anew")
        _ = try told()
        #expect(try settled(3)?.bytes == StoreUsage.bytes(folder(3)))
        #expect(settled(5) == nil && settled(0) == nil && settled(9) == nil)
        // As while a merge preserves into it: what was measured then would be too little.
        try fixture.catalog().removeChunkMap(volume: "a", ordinal: SnapshotOrdinal(rawValue: 3))
        #expect(settled(3) == nil)
    }

    @Test("a tick counts some at a time, the newest first")
    func some() throws {
        try take(8)
        let context = fixture.manager.status.context
        let count = StoreCount(context, try context.volume("a"))
        func counted() throws -> [Int] {
            try fixture.catalog().countedSnapshots(volume: "a").keys.map(\.rawValue).sorted()
        }
        try fixture.catalog().forgetLooks(volume: "a", waits: false)
        try count.catchUp(atMost: 2)
        #expect(try counted() == [5, 6])
        try count.catchUp(atMost: 2)
        #expect(try counted() == [3, 4, 5, 6])
        #expect(try told() == truth())
    }

    @Test("what was counted is counted again after a check")
    func checked() throws {
        try take(6)
        let before = try #require(try told())
        for ordinal in 1...4 { try fill(folder(ordinal)) }
        #expect(try told() == before)
        _ = try fixture.manager.checks.check(["a"], readsData: false, repairs: false)
        #expect(try told() == truth())
        #expect(try told() == before + 4 << 16)
    }

    /// As btrfs does not.
    private static let countsFolders: Bool = {
        guard let fixture = try? ManagerFixture() else { return false }
        let status = try? FileStatus(path: fixture.folder)
        return withExtendedLifetime(fixture) { (status?.linkCount ?? 0) >= 2 }
    }()

    @Test(
        "as long as the filesystem counts as many folders as are known, they are not listed",
        .enabled(if: countsFolders, "the filesystem counts no folders"))
    func unlisted() throws {
        try take(6)
        let before = try #require(try told())
        let folder = FileFolder(path: fixture.storePath("a") + "/snapshots")
        try folder.writeFile("strange", [UInt8](repeating: 7, count: 1 << 16))
        #expect(try told() == before, "it would be in a list")
        try folder.makeFolder("000009")
        #expect(try told() == truth())
    }

    @Test("a folder that somebody has removed, or put there, is seen")
    func outside() throws {
        try take(7)
        _ = try told()
        try FileManager.default.removeItem(atPath: folder(3))
        #expect(try told() == truth())
        mkdir(fixture.storePath("a") + "/snapshots/aside-000009", 0o700)
        mkdir(fixture.storePath("a") + "/snapshots/aside-000010", 0o700)
        try fill(fixture.storePath("a") + "/snapshots/aside-000009")
        #expect(try told() == truth())
    }

    @Test("of a store that was copied nothing is believed")
    func copied() throws {
        try take(5)
        _ = try told()
        let path = fixture.storePath("a")
        rename(path, path + ".old")
        try FileManager.default.copyItem(atPath: path + ".old", toPath: path)
        for ordinal in 1...5 { try fill(folder(ordinal)) }
        #expect(try told() == truth())
        // It is counted anew then.
        #expect(try fixture.catalog().storeUsage(volume: "a").snapshotCount == 3)
    }

    @Test("monitoring counts without writing anything down, and status remembers for it")
    func monitoring() throws {
        try take(6)
        _ = try RebuildService(fixture.options).rebuild(store: nil)
        let manager = try fixture.nextCommand()
        #expect(try manager.monitoring.read([]).volumes.first?.storeBytes == truth())
        #expect(try fixture.catalog().storeUsage(volume: "a").snapshotCount == 0)
        _ = try told(manager)
        #expect(try fixture.catalog().storeUsage(volume: "a").snapshotCount == 4)
    }

    @Test("a figure that cannot be remembered is told all the same, and nobody waits for it")
    func locked() throws {
        try take(6)
        _ = try RebuildService(fixture.options).rebuild(store: nil)
        let context = try fixture.nextCommand().status.context
        let volume = try context.volume("a")
        try fixture.catalog().atomically("holding the catalog") {
            let counted = try StoreCount(context, volume).bytes(remembers: true)
            let real = try truth()
            #expect(counted == real)
            #expect(throws: CatalogError.self) {
                try context.catalog.recordUsage(of: [:], in: "folder", volume: "a")
            }
        }
        #expect(try fixture.catalog().storeUsage(volume: "a").snapshotCount == 0)
    }

    @Test("snapshots taken since the volume's row was read are counted, and none twice")
    func oldRow() throws {
        try take(5)
        _ = try told()
        let context = fixture.manager.status.context
        let volume = try context.volume("a")
        try take(2)
        #expect(try StoreCount(context, volume).bytes(remembers: false) == truth())
    }

    @Test("the areas of deleted snapshots are asked for each time")
    func deleted() throws {
        try take(8)
        _ = try told()
        _ = try fixture.manager.deletions.delete(["4"], isDryRun: false)
        try #require(access(folder(4), F_OK) == 0)
        try fill(folder(4))
        #expect(try told() == truth())
        #expect(try fixture.catalog().storeUsage(volume: "a").snapshotCount == 5)
    }

    @Test("an index of views is counted again when it has changed")
    func index() throws {
        try take(3)
        let index = fixture.storePath("a") + "/index"
        if access(index, F_OK) != 0 { mkdir(index, 0o700) }
        let stamp = IndexUsage(stamp: "another", bytes: 1 << 30)
        try fixture.catalog().recordUsage(of: stamp, volume: "a")
        #expect(try told() == truth())
        let folder = FileFolder(path: fixture.storePath("a"))
        let status = try #require(try folder.status("index"))
        let identity = try #require(try folder.folderIdentity("index"))
        let known = "\(identity)-\(status.changedNanoseconds)"
        try fixture.catalog().recordUsage(of: IndexUsage(stamp: known, bytes: 12_345), volume: "a")
        let counted = try truth() - StoreUsage.bytes(of: "index", in: folder)
        #expect(try told() == counted + 12_345, "it is as it was")
        try folder.writeFile("index/new", [1])
        #expect(try told() == truth())
    }
}
