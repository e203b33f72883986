import GRDB
package import SnapshotModel

extension CatalogStore {
    /// Keeps a snapshot from being deleted, until a moment or for good. An owner may hold it for several
    /// reasons; for one that he has already he gets the new moment.
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
                    ON CONFLICT DO UPDATE SET held_at = excluded.held_at, until = excluded.until
                    """,
                arguments: [
                    owner, reason, now().stored, until?.stored, id.rawValue,
                ])
            guard database.changesCount == 1 else {
                throw CatalogError.noSnapshot("snapshot \(id)")
            }
        }
    }

    /// Ends an owner's holds on a snapshot, or everybody's when `owner` is nil.
    ///
    /// - Parameter reason: that of the one that ends; nil is all.
    /// - Returns: the number of holds that were ended, expired ones included.
    @discardableResult
    package func release(
        _ id: SnapshotID, owner: String? = nil, reason: String? = nil
    ) throws -> Int {
        try write("releasing snapshot \(id)") { database in
            try database.execute(
                sql: """
                    DELETE FROM hold WHERE snapshot_id = ?1
                        AND (?2 IS NULL OR owner = ?2) AND (?3 IS NULL OR reason = ?3)
                    """,
                arguments: [id.rawValue, owner, reason])
            return database.changesCount
        }
    }

    /// The holds on a snapshot by owner and time, expired ones flagged.
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
                WHERE \(condition) ORDER BY snapshot_id, owner, held_at, reason
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
