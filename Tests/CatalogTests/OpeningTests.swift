@testable import Catalog
import FoundationEssentials
import GRDB
import Glibc
import SnapshotModel
import Testing

@Suite("Opening the catalog")
struct OpeningTests {
    private let fixture: Fixture

    init() throws { fixture = try Fixture() }

    @Test("every commit is synced, with write-ahead logging and foreign keys")
    func settings() throws {
        for _ in 0..<2 {
            let store = try fixture.open()
            #expect(try store.pragma("journal_mode") == "wal")
            #expect(try store.pragma("synchronous") == "2")
            #expect(try store.pragma("foreign_keys") == "1")
            #expect(try store.pragma("busy_timeout") == "5000")
        }
    }

    @Test("a new catalog is readable by its owner only")
    func mode() throws {
        let store = try fixture.open(volumes: "data")
        for suffix in ["", "-wal", "-shm"] {
            let attributes = try FileManager.default.attributesOfItem(atPath: fixture.path + suffix)
            #expect(attributes[.posixPermissions] as? Int == 0o600, "\(fixture.path)\(suffix)")
        }
        #expect(try store.volumes().count == 1)
    }

    @Test("what was written is there after closing and opening again")
    func reopening() throws {
        do { _ = try fixture.open(volumes: "data") }
        #expect(try fixture.open().volumes() == [.sample("data")])
    }

    @Test("a catalog that a newer snapmgr has changed is refused and left alone")
    func newerSchema() throws {
        let newer = SchemaMigration.all + [SchemaMigration(name: "v2", sql: "CREATE TABLE n (x)")]
        do {
            _ = try CatalogStore(
                path: fixture.path, now: { fixture.now }, busyTimeoutSeconds: 1, migrations: newer)
        }
        let before = try fixture.bytes
        expectError(.newerSchema) { _ = try fixture.open() }
        #expect(try fixture.bytes == before)
    }

    @Test("an older catalog gets the steps that it lacks and keeps its content")
    func migration() throws {
        do { _ = try fixture.open(volumes: "data") }
        let newer = SchemaMigration.all + [SchemaMigration(name: "v2", sql: "CREATE TABLE n (x)")]
        let store = try CatalogStore(
            path: fixture.path, now: { fixture.now }, busyTimeoutSeconds: 1, migrations: newer)
        #expect(try store.volumes().map(\.record.name) == ["data"])
        #expect(try store.pragma("table_info(n)") != nil)
    }

    @Test("members of sets in an older catalog keep the lists of volumes that they had")
    func olderMembers() throws {
        let older = SchemaMigration.all.filter { $0.name != "members" }
        // Steps are done in their order: what a program of that time has written.
        let filled =
            older + [
                SchemaMigration(
                    name: "rows",
                    sql: """
                        INSERT INTO snapshot_set (id, created_at) VALUES (7, 5), (8, 6);
                        \(member(1, set: "7", #"'["a","b"]'"#));
                        \(member(2, set: "7", #"'["a","b"]'"#));
                        \(member(3, set: "7", "NULL"));
                        \(member(4, set: "7", #"'["c"]'"#));
                        \(member(5, set: "8", "NULL"));
                        \(member(6, set: "NULL", "NULL"));
                        """)
            ]
        for migrations in [older, filled] {
            let store = try open(migrations)
            if migrations.count == older.count { try store.insertVolume(.sample("data")) }
        }
        let store = try open(filled + SchemaMigration.all.filter { $0.name == "members" })
        #expect(
            try store.snapshots(volume: "data").map(\.manifest.setVolumes) == [
                ["a", "b"], ["a", "b"], nil, ["c"], nil, nil,
            ])
    }

    @Test("holds of an older catalog stay, and others can stand beside them")
    func olderHolds() throws {
        let older = Array(SchemaMigration.all.prefix { $0.name != "holds" })
        let rows = (1...2).map { member($0, set: "NULL", "NULL") }.joined(separator: ";\n")
        let filled = older + [SchemaMigration(name: "rows", sql: rows)]
        do { try open(older).insertVolume(.sample("data")) }
        do {
            let old = try open(filled)
            try old.hold(SnapshotID(rawValue: 1), owner: "a", reason: "one", until: fixture.now)
            try old.hold(SnapshotID(rawValue: 2), owner: "b", reason: "two")
        }
        let before = [
            "1 a one \(fixture.now.stored)", "2 b two -1",
        ]
        func holds(_ store: CatalogStore) throws -> [String] {
            try store.holds().map {
                "\($0.snapshot) \($0.owner) \($0.reason) \($0.until?.stored ?? -1)"
            }
        }
        let store = try open(filled + SchemaMigration.all.drop { $0.name != "holds" })
        #expect(try holds(store) == before)
        try store.hold(SnapshotID(rawValue: 2), owner: "b", reason: "three")
        #expect(try holds(store).count == 3)
        expectError(.held) { try store.markDeleting([SnapshotID(rawValue: 2)]) }
        #expect(try store.integrityCheck().isEmpty)
    }

    private func open(_ migrations: [SchemaMigration]) throws -> CatalogStore {
        try CatalogStore(
            path: fixture.path, now: { fixture.now }, busyTimeoutSeconds: 1, migrations: migrations)
    }

    private func member(_ ordinal: Int, set: String, _ volumes: String) -> String {
        """
        INSERT INTO snapshot (volume_id, phase, ordinal, taken_at, volume_bytes, kind, consistency,
            set_id, set_volumes, floor_snapshot, floor_set, floor_revert)
        SELECT id, 'present', \(ordinal), \(ordinal), 1048576, 'manual', 'crash',
            \(set), \(volumes), 0, 0, 0 FROM volume
        """
    }

    @Test("H5: a pipe in the catalog's place is refused before anything is read from it")
    func pipe() throws {
        #expect(mkfifo(fixture.path, 0o600) == 0)
        // Held open, so that whoever opens it would not wait.
        let end = Glibc.open(fixture.path, O_RDWR)
        defer { close(end) }
        do {
            _ = try fixture.open()
            Issue.record("it was opened")
        } catch {
            #expect("\(error)".contains("\(fixture.path) is not a file"), "\(error)")
        }
    }

    @Test("an SQLite file of somebody else's is refused")
    func foreignFile() throws {
        do { _ = try fixture.open(volumes: "data") }
        var bytes = try fixture.bytes
        // The application id in SQLite's header; most programs leave it at zero.
        bytes.replaceSubrange(68..<72, with: [0, 0, 0, 0])
        try fixture.write(bytes)
        expectError(.unreadable) { _ = try fixture.open() }
        #expect(try fixture.bytes == bytes)
    }

    @Test("a catalog whose making ended before its first table is made whole")
    func unfinishedCreation() throws {
        expectError(.unreadable) {
            _ = try CatalogStore(
                path: fixture.path, now: { fixture.now }, busyTimeoutSeconds: 1,
                migrations: [SchemaMigration(name: "v1", sql: "CREATE TABLE cut short")])
        }
        #expect(try fixture.open(volumes: "data").volumes().count == 1)
    }

    @Test("a file of random bytes is corrupt")
    func randomBytes() throws {
        var generator = SeededGenerator(seed: 1)
        try fixture.write((0..<100_000).map { _ in UInt8.random(in: 0...255, using: &generator) })
        expectError(.corrupt) { _ = try fixture.open() }
    }

    @Test("a truncated file is corrupt", arguments: [100, 4096, 20_000])
    func truncated(length: Int) throws {
        do { _ = try fixture.open(volumes: "data") }
        let bytes = try fixture.bytes
        #expect(bytes.count > length)
        try fixture.write(bytes.prefix(length))
        expectError(.corrupt) { _ = try fixture.open() }
    }

    @Test("a catalog in a folder that is not there is unreadable")
    func missingFolder() {
        expectError(.unreadable) {
            _ = try CatalogStore(path: fixture.folder + "/no/catalog", now: { fixture.now })
        }
    }

    @Test("a writer that waits in vain for another process's lock is told so")
    func locked() throws {
        let store = try fixture.open()
        let other = try fixture.open(busyTimeoutSeconds: 0.05)
        try store.write("holding the lock") { _ in
            expectError(.locked) { try other.insertVolume(.sample("data")) }
            let seen = try fixture.open(busyTimeoutSeconds: 0.05).volumes()
            #expect(seen.isEmpty, "opening and reading does not wait")
        }
        try other.insertVolume(.sample("data"))
    }

    @Test("a catalog that another process is just making is waited for")
    func madeByAnother() async throws {
        try fixture.write([])
        var configuration = Configuration()
        configuration.allowsUnsafeTransactions = true
        let other = try DatabaseQueue(path: fixture.path, configuration: configuration)
        // As the step to write-ahead logging has it, at which SQLite lets nobody else wait.
        try await other.writeWithoutTransaction { try $0.beginTransaction(.immediate) }
        expectError(.locked) { _ = try fixture.open(busyTimeoutSeconds: 0.02) }
        let opening = Task.detached { [fixture] in try fixture.open(volumes: "data") }
        try await Task.sleep(for: .milliseconds(200))
        try await other.writeWithoutTransaction { try $0.rollback() }
        #expect(try await opening.value.volumes().count == 1)
    }

    @Test("processes that make the same catalog at once all get it")
    func racingCreation() async throws {
        for _ in 0..<10 {
            let fixture = try Fixture()
            try await withThrowingTaskGroup { group in
                for number in 0..<4 {
                    group.addTask {
                        try fixture.open().insertVolume(.sample("volume\(number)"))
                    }
                }
                try await group.waitForAll()
            }
            #expect(try fixture.open().volumes().count == 4)
        }
    }
}
