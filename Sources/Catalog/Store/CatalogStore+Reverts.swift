import GRDB
package import SnapshotModel

extension CatalogStore {
    /// Gives out a revert's id and remembers that it has begun.
    ///
    /// - Parameters:
    ///   - group: the volumes that are reverted together, when a set is.
    ///   - groupKey: one key for all of them, so that a crash between two can be rolled forward.
    /// - Throws: `notFound` when there is no such volume, or it has no such snapshot.
    package func beginRevert(
        volume: String, snapshot: SnapshotID, group: [String]? = nil, groupKey: Int64? = nil
    ) throws -> RevertID {
        try write("beginning a revert of volume \(volume)") { database in
            let volumeID = try Self.volumeID(database, volume)
            let found = try Int.fetchOne(
                database, sql: "SELECT 1 FROM snapshot WHERE id = ? AND volume_id = ?",
                arguments: [snapshot.rawValue, volumeID])
            guard found != nil else {
                throw CatalogError.noSnapshot("snapshot \(snapshot) of volume \(volume)")
            }
            _ = try Self.idFloor(database)
            let row = RevertRow(
                id: RevertID(rawValue: 0), volume: volume, snapshot: snapshot, groupKey: groupKey,
                group: group, begunAt: now())
            try Self.insert(database, row, id: nil, volume: volumeID)
            return try Self.insertedID(database)
        }
    }

    /// Records that the volume reads as the snapshot now, and that the merge runs.
    ///
    /// - Throws: `notFound` when no revert of that id is pending.
    package func commitRevert(_ id: RevertID, safety: SnapshotID?, planBytes: Int) throws {
        try write("recording revert \(id)") { database in
            try database.execute(
                sql: """
                    UPDATE revert SET safety_snapshot_id = ?, plan_bytes = ?, state = 'merging'
                    WHERE id = ? AND state IS NULL
                    """,
                arguments: [safety?.rawValue, planBytes, id.rawValue])
            try Self.requireChange(database, "pending revert \(id)")
        }
    }

    /// Records where the merge stands: `done` and `cancelled` end the revert, any other state leaves
    /// it unfinished.
    ///
    /// - Throws: `notFound` when there is no committed revert of that id.
    package func finishRevert(_ id: RevertID, state: MergeState) throws {
        let endedAt = state == .done || state == .cancelled ? now().stored : nil
        try write("recording the state of revert \(id)") { database in
            try database.execute(
                sql: "UPDATE revert SET state = ?, ended_at = ? WHERE id = ? AND state IS NOT NULL",
                arguments: [state.rawValue, endedAt, id.rawValue])
            try Self.requireChange(database, "committed revert \(id)")
        }
    }

    /// Forgets a revert that is pending; its id stays burnt. A committed one stays.
    package func abandonRevert(_ id: RevertID) throws {
        try write("abandoning revert \(id)") {
            try $0.execute(
                sql: "DELETE FROM revert WHERE id = ? AND state IS NULL", arguments: [id.rawValue])
        }
    }

    package func revert(_ id: RevertID) throws -> RevertRow? {
        try read("looking for revert \(id)") {
            try Self.reverts($0, where: "r.id = ?", [id.rawValue]).first
        }
    }

    /// All reverts of a volume, by id.
    ///
    /// - Throws: `notFound` when there is no such volume.
    package func reverts(volume: String) throws -> [RevertRow] {
        try read("listing the reverts of volume \(volume)") {
            try Self.reverts($0, where: "r.volume_id = ?", [try Self.volumeID($0, volume)])
        }
    }

    /// The reverts of all volumes that are pending or whose merge has not ended, by id.
    package func unfinishedReverts() throws -> [RevertRow] {
        try read("looking for unfinished reverts") {
            try Self.reverts($0, where: "r.ended_at IS NULL", [])
        }
    }

    private static func requireChange(_ database: Database, _ subject: String) throws {
        guard database.changesCount == 1 else {
            throw CatalogError(
                .notFound, "the catalog has no \(subject)", hint: "run \(.mergeStatus())")
        }
    }
}

// MARK: - Columns

extension CatalogStore {
    static func insert(
        _ database: Database, _ row: RevertRow, id: RevertID?, volume: Int64
    ) throws {
        try database.cachedStatement(
            sql: """
                INSERT INTO revert (id, volume_id, snapshot_id, safety_snapshot_id, group_key,
                    group_members, plan_bytes, state, begun_at, ended_at)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """
        ).execute(arguments: [
            id?.rawValue, volume, row.snapshot.rawValue, row.safetySnapshot?.rawValue,
            row.groupKey, try RowReader.column(row.group), row.planBytes, row.state?.rawValue,
            row.begunAt.stored, row.endedAt?.stored,
        ])
    }

    static func reverts(
        _ database: Database, where condition: String, _ arguments: StatementArguments
    ) throws -> [RevertRow] {
        try Row.map(
            database,
            sql: """
                SELECT r.id, v.name, r.snapshot_id, r.safety_snapshot_id, r.group_key,
                    r.group_members, r.plan_bytes, r.state, r.begun_at, r.ended_at
                FROM revert r JOIN volume v ON v.id = r.volume_id
                WHERE \(condition) ORDER BY r.id
                """,
            arguments: arguments
        ) { reader in
            RevertRow(
                id: try reader.raw(), volume: try reader.value(), snapshot: try reader.raw(),
                safetySnapshot: try reader.optionalRaw(), groupKey: try reader.optional(),
                group: try reader.words(), planBytes: try reader.optionalSize(),
                state: try reader.optionalRaw(), begunAt: try reader.timestamp(),
                endedAt: try reader.optionalTimestamp())
        }
    }
}
