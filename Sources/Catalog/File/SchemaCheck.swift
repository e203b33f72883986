import GRDB
internal import SnapshotModel

/// Looks at what a file says of its own structure before anything in it is used: a view in the place
/// of a table can run for ever, and a trigger can change what was not asked for.
enum SchemaCheck {
    /// A view, a trigger or a virtual table in the place of what is read first.
    static func requirePlainTables(_ database: Database, _ path: String) throws {
        let objects = try Row.map(
            database, sql: "SELECT type, name, sql FROM sqlite_schema"
        ) { reader in
            (
                type: try reader.value(String.self), name: try reader.value(String.self),
                sql: try reader.optional(String.self) ?? ""
            )
        }
        for object in objects {
            let isTable = object.type == "table" && isPlain(object.sql)
            guard isTable || object.type == "index" else {
                throw strange(path, "\(object.type) \(object.name.prefix(64))")
            }
        }
    }

    /// Tables that this snapmgr has not made. A newer one's are told as newer before.
    static func requireKnownNames(_ database: Database, _ path: String) throws {
        let names = try String.fetchAll(
            database, sql: "SELECT name FROM sqlite_schema WHERE type = 'table'")
        for name in names where !name.hasPrefix("sqlite_") && !knownTables.contains(name) {
            throw strange(path, "table \(name.prefix(64))")
        }
    }

    private static let knownTables: Set<String> = [
        "grdb_migrations", "volume", "snapshot_set", "snapshot", "chunk_map", "chunk_segment",
        "revert", "hold", "event", "schedule_beginning", "served_slot", "clock_reading",
        "clone",
    ]

    private static func isPlain(_ sql: String) -> Bool {
        let start = sql.prefix(64).uppercased()
        return start.hasPrefix("CREATE TABLE") || start.isEmpty
    }

    private static func strange(_ path: String, _ what: String) -> CatalogError {
        CatalogError(
            .unreadable, "the catalog \(path) has something that snapmgr does not make: \(what)",
            hint: "move the file away, then run \(.catalogRebuild)")
    }
}
