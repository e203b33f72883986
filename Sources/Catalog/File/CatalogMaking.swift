import GRDB
import Glibc
import SnapshotModel

/// Makes the tables of a catalog that has none, or only an older snapmgr's, beside other processes that
/// may be doing the same.
struct CatalogMaking {
    let queue: DatabaseQueue
    let migrator: DatabaseMigrator
    let path: String

    private static let pauseMicroseconds: UInt32 = 10_000

    /// Brings the catalog to what this snapmgr knows, and makes its commits durable.
    ///
    /// SQLite refuses at once, whatever the busy timeout, where waiting could be for ever: the step to
    /// write-ahead logging reads before it writes, and so does a transaction whose ground another one
    /// has changed. Here each step looks anew at what there is, so that it can be tried again.
    ///
    /// - Parameter limit: how long others may be at it.
    func complete(limit: Duration) throws {
        let clock = ContinuousClock()
        let end = clock.now.advanced(by: limit)
        while true {
            do { return try attempt() } catch let error as DatabaseError
                where error.resultCode == .SQLITE_BUSY && clock.now < end
            {
                usleep(Self.pauseMicroseconds)
            }
        }
    }

    private func attempt() throws {
        let isComplete = try isComplete()
        try queue.writeWithoutTransaction(makeDurable)
        guard !isComplete else { return }
        try queue.write(mark)
        try migrate()
    }

    func isComplete() throws -> Bool { try queue.read(isComplete) }

    /// Whether the file is a catalog with all its tables; false for an empty one. It changes nothing,
    /// so that a file of somebody else's, or a newer one, stays as it is.
    private func isComplete(_ database: Database) throws -> Bool {
        try SchemaCheck.requirePlainTables(database, path)
        let id = try Int.fetchOne(database, sql: "PRAGMA application_id")
        let isEmpty = try Int.fetchOne(database, sql: "SELECT count(*) FROM sqlite_schema") == 0
        guard isEmpty || id == SchemaMigration.applicationID else {
            throw CatalogError(
                .unreadable, "\(path) is an SQLite file, but no catalog of snapmgr",
                hint: "choose another folder with `--state DIR`, or move the file away")
        }
        guard try !migrator.hasBeenSuperseded(database) else {
            throw CatalogError(
                .newerSchema, "the catalog \(path) was written by a newer snapmgr",
                hint: CatalogStore.newerSchemaHint)
        }
        try SchemaCheck.requireKnownNames(database, path)
        return try migrator.hasCompletedMigrations(database)
    }

    /// Turns on write-ahead logging with a sync at every commit, and reads both back: with
    /// `synchronous = NORMAL`, a power cut takes the last commits away, and ids that were given out
    /// would be given out again. GRDB's own switch for WAL would set NORMAL.
    private func makeDurable(_ database: Database) throws {
        let mode = try String.fetchOne(database, sql: "PRAGMA journal_mode = WAL")
        try database.execute(sql: "PRAGMA synchronous = FULL")
        let level = try Int.fetchOne(database, sql: "PRAGMA synchronous")
        guard mode == "wal", level == 2 else {
            throw CatalogError(
                .unreadable,
                "the catalog \(path) cannot be made crash-safe (journal \(mode ?? "unknown"), "
                    + "synchronous \(level.map(String.init) ?? "unknown"))",
                hint: "put it on a local filesystem with `--state DIR`")
        }
    }

    /// Marks an empty file as a catalog before the migrator makes a table of its own, in a transaction
    /// of its own: one who looks in between, or after a crash in between, must know the file for ours.
    private func mark(_ database: Database) throws {
        try database.execute(sql: "PRAGMA application_id = \(SchemaMigration.applicationID)")
    }

    private func migrate() throws {
        while true {
            let known = try queue.read(migrator.appliedIdentifiers)
            do { return try migrator.migrate(queue) } catch {
                // Another process may have made the tables between our look and our attempt, and be at the
                // next ones: as long as somebody gets on, it is tried again.
                let now = try? queue.read(migrator.appliedIdentifiers)
                guard let now, now.count > known.count else { throw error }
            }
        }
    }
}
