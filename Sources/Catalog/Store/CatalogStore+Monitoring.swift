import GRDB
package import SnapshotModel

extension CatalogStore {
    /// All snapshots but unfinished creations, counted without reading them one by one; by volume,
    /// kind and state.
    package func snapshotCounts() throws -> [SnapshotCounts] {
        try read("counting snapshots") {
            try Row.map(
                $0,
                sql: """
                    SELECT v.name, s.kind,
                        CASE
                            WHEN s.phase = 'deleting' THEN 'deleting'
                            WHEN s.is_broken THEN 'broken'
                            WHEN EXISTS (SELECT 1 FROM revert r WHERE r.snapshot_id = s.id
                                AND r.ended_at IS NULL AND r.state IS NOT NULL) THEN 'merging'
                            WHEN s.ordinal = v.snapshots_seen THEN 'active'
                            ELSE 'frozen'
                        END,
                        count(*)
                    FROM snapshot s JOIN volume v ON v.id = s.volume_id
                    WHERE s.phase <> 'creating' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
                    """
            ) { reader in
                SnapshotCounts(
                    volume: try reader.value(), kind: try reader.raw(), state: try reader.raw(),
                    count: try reader.value())
            }
        }
    }

    /// When a volume's last snapshots were taken, and how much had changed before each, in bytes; newest
    /// first.
    ///
    /// - Throws: `notFound` when there is no such volume.
    package func growth(
        volume: String, since: Timestamp, limit: Int
    ) throws -> [(takenAt: Timestamp, changedBytes: Int)] {
        try read("reading how volume \(volume) grows") {
            try Row.map(
                $0,
                sql: """
                    SELECT taken_at, changed_bytes FROM snapshot
                    WHERE volume_id = ? AND taken_at >= ? AND phase <> 'creating'
                    ORDER BY taken_at DESC LIMIT ?
                    """,
                arguments: [try Self.volumeID($0, volume), since.stored, limit]
            ) { reader in (try reader.timestamp(), try reader.optionalSize() ?? 0) }
        }
    }

    /// The events of some kinds, counted by kind and volume.
    package func eventCounts(kinds: [String]) throws -> [EventCounts] {
        let places = kinds.map { _ in "?" }.joined(separator: ", ")
        return try read("counting events") {
            // SQLite takes the columns beside max() from the row that has it.
            try Row.map(
                $0,
                sql: """
                    SELECT kind, volume, count(*), max(id), time, message FROM event
                    WHERE kind IN (\(places)) GROUP BY kind, volume ORDER BY kind, volume
                    """,
                arguments: StatementArguments(kinds)
            ) { reader in
                EventCounts(
                    kind: try reader.value(), volume: try reader.optional(),
                    count: try reader.value(), lastID: try reader.value(),
                    lastTime: try reader.timestamp(), lastMessage: try reader.value())
            }
        }
    }

    /// The id of the last event of a kind about a snapshot that is a set's member and still there.
    package func lastSetEvent(kind: String) throws -> Int64? {
        try read("looking for the last set's event") {
            try Int64.fetchOne(
                $0,
                sql: """
                    SELECT max(e.id) FROM event e JOIN snapshot s ON s.id = e.snapshot_id
                    WHERE e.kind = ? AND s.set_id IS NOT NULL
                    """,
                arguments: [kind])
        }
    }

    /// The last set of each name, by name.
    package func setCounts() throws -> [SetCounts] {
        try read("looking for the last sets") {
            try Row.map(
                $0,
                sql: """
                    SELECT name, created_at, held_nanoseconds, max(id) FROM snapshot_set
                    WHERE name IS NOT NULL GROUP BY name ORDER BY name
                    """
            ) { reader in
                SetCounts(
                    name: try reader.value(), createdAt: try reader.timestamp(),
                    heldNanoseconds: try reader.optional())
            }
        }
    }

    /// The holds on a volume's snapshots by snapshot and owner, expired ones flagged.
    package func holds(volume: String) throws -> [HoldRow] {
        let now = now()
        return try read("listing the holds on volume \(volume)") { database in
            try Row.map(
                database,
                sql: """
                    SELECT h.snapshot_id, h.owner, h.reason, h.held_at, h.until
                    FROM hold h JOIN snapshot s ON s.id = h.snapshot_id
                    WHERE s.volume_id = ? ORDER BY h.snapshot_id, h.owner
                    """,
                arguments: [try Self.volumeID(database, volume)]
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
}
