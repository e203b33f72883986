import System
import Catalog
import FoundationEssentials
import Glibc
import MergeKit
import SnapshotModel
import StoreFormat
import Testing

@testable import Manager

@Suite struct RebuildTests {
    /// Two volumes with a set, a hold, a deleted snapshot and a running merge.
    private func fixture() throws -> ManagerFixture {
        let fixture = try ManagerFixture()
        for volume in ["a", "b"] { try fixture.makeVolume(volume) }
        try fixture.snapshot("a", name: "first")
        try fixture.write(1, to: 0..<8, of: "a")
        try fixture.snapshot("a", "b")
        try fixture.write(2, to: 4..<12, of: "a")
        try fixture.snapshot("a")
        _ = try fixture.manager.deletions.delete(["4"], isDryRun: false)
        _ = try fixture.manager.holds.hold("1", owner: "me", reason: "audit", until: nil)
        _ = try fixture.manager.reverts.revert("1", RevertOptions(waits: false))
        return fixture
    }

    private func withoutHolds(_ rows: [SnapshotSummary]) -> [SnapshotSummary] {
        rows.map { row in
            var row = row
            row.holds = 0
            return row
        }
    }

    @Test("a lost catalog comes back equal in all that the stores know")
    func lost() throws {
        let fixture = try fixture()
        let (rows, sets) = (try fixture.list(), try fixture.manager.lists.sets())
        let merges = try fixture.manager.merges.status([])
        for suffix in ["", "-wal", "-shm"] { unlink(fixture.options.state.catalogPath + suffix) }
        let report = try RebuildService(fixture.options).rebuild(store: nil)
        #expect(report.volumes.map(\.name) == ["a", "b"])
        #expect(report.damagedCatalogPath == nil)
        let rebuilt = try fixture.nextCommand()
        #expect(try fixture.list(rebuilt) == withoutHolds(rows))
        #expect(try rebuilt.lists.sets().map(\.snapshots) == sets.map(\.snapshots))
        #expect(try rebuilt.merges.status([]) == merges)
        let next = try rebuilt.snapshots.take(TakeRequest(volumes: ["b"])).snapshots
        #expect(next.map(\.id.rawValue) == [6], "no id is used twice, also not a deleted one's")
    }

    @Test("a damaged catalog is moved aside, never deleted")
    func damaged() throws {
        let fixture = try fixture()
        let rows = try fixture.list()
        let path = fixture.options.state.catalogPath
        for suffix in ["-wal", "-shm"] { unlink(path + suffix) }
        let garbage = Data(repeating: 0x5A, count: 8192)
        try garbage.write(to: URL(filePath: path))
        let report = try RebuildService(fixture.options).rebuild(store: nil)
        let aside = try #require(report.damagedCatalogPath)
        #expect(try Data(contentsOf: URL(filePath: aside)) == garbage)
        #expect(try fixture.list(try fixture.nextCommand()) == withoutHolds(rows))
    }

    @Test("a sound catalog keeps its holds and events")
    func sound() throws {
        let fixture = try fixture()
        let (rows, events) = (try fixture.list(), try fixture.manager.events.latest(1000))
        _ = try RebuildService(fixture.options).rebuild(store: nil)
        #expect(try fixture.list() == rows)
        #expect(try fixture.manager.events.latest(1000).prefix(events.count) == events[...])
    }

    @Test("a store that was kept is taken over again")
    func adopts() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        try fixture.snapshot("a")
        let rows = try fixture.list()
        let report = try fixture.manager.volumes.remove("a", keepsStore: true, isDryRun: false)
        #expect(try fixture.list().isEmpty)
        let store = try #require(report.keptStorePath)
        _ = try RebuildService(fixture.options).rebuild(store: store)
        #expect(try fixture.list() == rows)
    }

    @Test("check finds what differs between catalog and store, and mends it")
    func check() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        let id = try fixture.snapshot("a")[0]
        let clean = try fixture.manager.checks.check([], readsData: true, repairs: false)
        #expect(clean.damageCount == 0)
        try fixture.catalog().removeSnapshots([id])
        let report = try fixture.manager.checks.check([], readsData: false, repairs: false)
        #expect(report.damageCount == 1)
        _ = try fixture.manager.checks.check(["a"], readsData: false, repairs: true)
        #expect(try fixture.list().map(\.id) == [id])
        #expect(
            try fixture.manager.checks.check([], readsData: false, repairs: false).damageCount == 0)
    }

    /// A store of one snapshot whose manifest somebody has changed, and no catalog.
    private func changed(
        _ change: (inout SnapshotManifest) -> Void
    ) throws -> (fixture: ManagerFixture, problem: Problem?) {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        try fixture.snapshot("a")
        let store = Store(folder: FileFolder(path: fixture.storePath("a")))
        var manifest = try #require(try store.manifests().first)
        change(&manifest)
        // As somebody else would: the store refuses what nobody could read.
        try store.folder.replaceFile(
            StoreLayout.manifest(manifest.ordinal),
            try RecordCodec.encode(manifest, as: .manifest))
        let problem = #expect(throws: Problem.self) {
            try RebuildService(fixture.options).rebuild(store: nil)
        }
        return (fixture, problem)
    }

    @Test("M5: a store whose identities would leave none for others is not taken over")
    func farIdentities() throws {
        let (fixture, problem) = try changed {
            $0.id = SnapshotID(rawValue: IdentityBounds.readable.upperBound - 1)
        }
        #expect(problem?.code == .refused)
        #expect(problem?.message.contains("identities") == true)
        try fixture.makeVolume("b")
        #expect(try fixture.snapshot("b").allSatisfy { $0.rawValue < 100 })
    }

    @Test(
        "M5: a store with names that no snapshot can have is not taken over",
        arguments: ["../../x", "a\u{1B}[31m", "", "a b"])
    func strangeNames(name: String) throws {
        let (fixture, problem) = try changed { $0.name = name }
        #expect(problem?.code == .corrupt)
        #expect(
            try fixture.catalog().snapshots(query: SnapshotQuery()).allSatisfy {
                $0.manifest.name == nil
            })
    }
}
