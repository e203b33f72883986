import GRDB
package import SnapshotModel

extension CatalogStore {
    /// Keeps a snapshot from being deleted, until a moment or for good. An owner who holds it
    /// already gets the new reason and moment.
    ///
    /// - Throws: `notFound` when there is no such snapshot, or it is being created or deleted.
    package func hold(
        _ id: SnapshotID, owner: String, reason: String, until: Timestamp? = nil
    ) throws {
        try write("holding snapshot \(id)") { database in
            // A SELECT and not VALUES, so that look and insert are one statement.
            try database.execute(
                sql: """
                    INSERT INTO hold (snapshot_id, owner, reason, held_at, until)
                    SELECT id, ?, ?, ?, ? FROM snapshot WHERE id = ? AND phase = 'present'
                    ON CONFLICT DO UPDATE SET reason = excluded.reason,
                        held_at = excluded.held_at, until = excluded.until
                    """,
                arguments: [
                    owner, reason, now().stored, until?.stored, id.rawValue,
                ])
            guard database.changesCount == 1 else {
                throw CatalogError.noSnapshot("snapshot \(id)")
            }
        }
    }

    /// Ends an owner's hold on a snapshot, or everybody's when `owner` is nil.
    ///
    /// - Returns: the number of holds that were ended, expired ones included.
    @discardableResult
    package func release(_ id: SnapshotID, owner: String? = nil) throws -> Int {
        try write("releasing snapshot \(id)") { database in
            try database.execute(
                sql: "DELETE FROM hold WHERE snapshot_id = ? AND (?2 IS NULL OR owner = ?2)",
                arguments: [id.rawValue, owner])
            return database.changesCount
        }
    }

    /// The holds on a snapshot by owner, expired ones flagged.
    package func holds(snapshot id: SnapshotID) throws -> [HoldRow] {
        try read("reading the holds on snapshot \(id)") {
            try holds($0, where: "snapshot_id = ?", [id.rawValue])
        }
    }

    /// The holds on some snapshots by snapshot and owner, expired ones flagged.
    package func holds(snapshots ids: [SnapshotID]) throws -> [HoldRow] {
        try read("reading the holds on \(ids.count) snapshots") {
            try holds($0, where: "snapshot_id \(NumberList.isMember)", [NumberList(ids)])
        }
    }

    /// All holds by snapshot and owner, expired ones flagged.
    package func holds() throws -> [HoldRow] {
        try read("listing holds") { try holds($0, where: "1", []) }
    }

    private func holds(
        _ database: Database, where condition: String, _ arguments: StatementArguments
    ) throws -> [HoldRow] {
        let now = now()
        return try Row.map(
            database,
            sql: """
                SELECT snapshot_id, owner, reason, held_at, until FROM hold
                WHERE \(condition) ORDER BY snapshot_id, owner
                """,
            arguments: arguments
        ) { reader in
            var row = HoldRow(
                snapshot: try reader.raw(), owner: try reader.value(),
                reason: try reader.value(), heldAt: try reader.timestamp(),
                until: try reader.optionalTimestamp(), isExpired: false)
            row.isExpired = row.until.map { $0 <= now } ?? false
            return row
        }
    }
}
