import GRDB
import Glibc
package import SnapshotModel

/// The catalog: the SQLite index of volumes, snapshots, chunk maps, reverts, holds and events.
///
/// The stores hold the truth about data, and the catalog can be rebuilt from them; only holds and
/// events live here alone. One instance per process. Its methods block on disk and on other
/// processes' locks, and throw ``CatalogError``.
package final class CatalogStore: Sendable {
    /// The catalog's file.
    package let path: String
    let now: @Sendable () -> Timestamp
    /// A queue and not a pool: a command line process asks one thing at a time.
    private let queue: DatabaseQueue
    package let access: Access

    /// What may be done with a catalog.
    package enum Access: Sendable {
        case writable
        /// The file, or its folder, cannot be written to.
        case readOnly
        /// There is no file: nothing is known, and nothing is kept.
        case missing
    }

    /// How long to wait for another process's lock, in seconds.
    package static let busyTimeoutSeconds = 5.0

    /// How many times as long an opening waits for others that make or renew the catalog's tables.
    private static let makersWaited = 6.0

    static let newerSchemaHint: Advice =
        "use the newer snapmgr, or move the file away and run \(.catalogRebuild)"

    /// Opens the catalog, and makes it (mode 0600, in an existing folder) when there is none. A file
    /// of no bytes counts as none: that is what a crash in mid-creation leaves.
    ///
    /// - Parameter now: the clock that dates events and expires holds.
    /// - Throws: ``CatalogError`` with `corrupt`, `locked`, `newerSchema`, `unreadable` or `full`.
    package convenience init(
        path: String, now: @escaping @Sendable () -> Timestamp,
        busyTimeoutSeconds: Double = CatalogStore.busyTimeoutSeconds
    ) throws {
        try self.init(
            path: path, now: now, busyTimeoutSeconds: busyTimeoutSeconds,
            migrations: SchemaMigration.all)
    }

    init(
        path: String, now: @escaping @Sendable () -> Timestamp, busyTimeoutSeconds: Double,
        migrations: [SchemaMigration]
    ) throws {
        self.path = path
        self.now = now
        access = .writable
        do {
            try Self.createFile(path)
            try CatalogFile.require(path)
            queue = try DatabaseQueue(
                path: path, configuration: CatalogFile.configuration(busyTimeoutSeconds))
            let migrator = SchemaMigration.migrator(migrations)
            try CatalogMaking(queue: queue, migrator: migrator, path: path)
                .complete(limit: .seconds(busyTimeoutSeconds * Self.makersWaited))
        } catch {
            throw CatalogError(error, action: "opening", path: path)
        }
    }

    /// Opens the catalog for who only looks: nothing is made where there is nothing, and a file that
    /// this user cannot write to is read as it is.
    package init(reading path: String, now: @escaping @Sendable () -> Timestamp) throws {
        self.path = path
        self.now = now
        do {
            access = try CatalogFile.access(path)
            let migrator = SchemaMigration.migrator(SchemaMigration.all)
            switch access {
            case .writable:
                queue = try CatalogStore(path: path, now: now).queue
            case .readOnly:
                queue = try CatalogFile.openReadOnly(path)
                guard try CatalogMaking(queue: queue, migrator: migrator, path: path).isComplete()
                else {
                    throw CatalogError(
                        .unreadable,
                        "the catalog \(path) is an older snapmgr's, and this user cannot renew it",
                        hint: "run a command of this snapmgr as its owner")
                }
            case .missing:
                queue = try DatabaseQueue()
                try migrator.migrate(queue)
            }
        } catch {
            throw CatalogError(error, action: "opening", path: path)
        }
    }

    /// Makes everything that `body` reads and writes here one transaction, durable when this returns;
    /// an error undoes all of it. What must be known together is recorded together, with one sync.
    package func atomically<Value>(
        _ action: @autoclosure () -> String, _ body: () throws -> Value
    ) throws -> Value {
        try queue.unsafeReentrantWrite { database in
            guard !database.isInsideTransaction else { return try body() }
            do {
                return try Self.transaction(database, .immediate, body)
            } catch let error as DatabaseError {
                throw CatalogError(error, action: action(), path: path)
            }
        }
    }

    /// Runs `body` on one state of the catalog.
    func read<Value>(
        _ action: @autoclosure () -> String, _ body: (Database) throws -> Value
    ) throws -> Value {
        do {
            return try queue.unsafeReentrantRead { database in
                guard !database.isInsideTransaction else { return try body(database) }
                return try Self.transaction(database, .deferred) { try body(database) }
            }
        } catch {
            throw CatalogError(error, action: action(), path: path)
        }
    }

    /// Runs `body` in one transaction, which is durable when this returns, or when the transaction
    /// around it is.
    @discardableResult
    func write<Value>(
        _ action: @autoclosure () -> String, waits: Bool = true,
        _ body: (Database) throws -> Value
    ) throws -> Value {
        do {
            return try queue.unsafeReentrantWrite { database in
                guard !database.isInsideTransaction else { return try body(database) }
                let timeout = waits ? nil : try Int.fetchOne(database, sql: "PRAGMA busy_timeout")
                if timeout != nil { try database.execute(sql: "PRAGMA busy_timeout = 0") }
                defer {
                    if let timeout {
                        try? database.execute(sql: "PRAGMA busy_timeout = \(timeout)")
                    }
                }
                return try Self.transaction(database, .immediate) { try body(database) }
            }
        } catch {
            throw CatalogError(error, action: action(), path: path)
        }
    }

    private static func transaction<Value>(
        _ database: Database, _ kind: Database.TransactionKind, _ body: () throws -> Value
    ) throws -> Value {
        try database.beginTransaction(kind)
        do {
            let value = try body()
            try database.commit()
            return value
        } catch {
            // SQLite may have rolled back by itself; the first error is the one to tell.
            if database.isInsideTransaction { try? database.rollback() }
            throw error
        }
    }

    /// How many statements SQLite performs for `body`: what tells whether work grows with what there is.
    func statementCount(_ body: () throws -> Void) throws -> Int {
        try queue.unsafeReentrantWrite { database in
            var count = 0
            // What foreign keys do in its turn is a part of the statement that has just ended.
            database.trace(options: .profile) { _ in count += 1 }
            defer { database.trace(options: []) }
            try body()
            return count
        }
    }

    /// The value of one of SQLite's settings on the catalog's connection.
    func pragma(_ name: String) throws -> String? {
        try read("reading \(name)") { try String.fetchOne($0, sql: "PRAGMA \(name)") }
    }
}

// MARK: - Opening

extension CatalogStore {
    /// Creates the file so that only its owner may read it; SQLite gives `-wal` and `-shm` the same
    /// mode. An existing file is not opened here: closing it would drop the locks that another
    /// connection of this process has on it.
    private static func createFile(_ path: String) throws {
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        if descriptor >= 0 {
            close(descriptor)
        } else if errno != EEXIST {
            let reason = String(cString: strerror(errno))
            throw CatalogError(
                .unreadable, "the catalog \(path) cannot be created: \(reason)",
                hint: "make its folder, or choose another with `--state DIR`")
        }
    }
}
