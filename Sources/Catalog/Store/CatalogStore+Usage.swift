import GRDB
package import SnapshotModel

/// What the catalog remembers of what a store occupies. It is derived, and only true of the folders in
/// which it was counted.
package struct StoreUsageRow: Hashable, Sendable {
    /// What tells the folder of snapshots from its copies; nil when nothing was counted.
    package var folder: String?
    /// The newest snapshot's, when the others were read.
    package var snapshotsSeen: SnapshotOrdinal
    /// The snapshots whose folders were counted.
    package var snapshotCount: Int
    /// What these folders occupy.
    package var snapshotBytes: Int
    package var index: IndexUsage?

    package init(
        folder: String? = nil, snapshotsSeen: SnapshotOrdinal, snapshotCount: Int = 0,
        snapshotBytes: Int = 0, index: IndexUsage? = nil
    ) {
        self.folder = folder
        self.snapshotsSeen = snapshotsSeen
        self.snapshotCount = snapshotCount
        self.snapshotBytes = snapshotBytes
        self.index = index
    }
}

/// What a store's index of views occupies.
package struct IndexUsage: Hashable, Sendable {
    /// What tells the folder from its copies, and as it was from what it is after each change.
    package var stamp: String
    package var bytes: Int

    package init(stamp: String, bytes: Int) {
        self.stamp = stamp
        self.bytes = bytes
    }
}

// What stores occupy, as far as it does not change. An area that grows no more changes when its snapshot
// is deleted, and not before.
extension CatalogStore {
    /// What is known, without a look at each snapshot's row.
    ///
    /// - Throws: `notFound` when there is no such volume; so do the others.
    package func storeUsage(volume: String) throws -> StoreUsageRow {
        try read("reading what the store of volume \(volume) occupies") { database in
            let id = try Self.volumeID(database, volume)
            let rows = try Row.map(
                database,
                sql: Self.usageSQL,
                arguments: [id]
            ) { reader in
                let folder = try reader.optional(String.self)
                let stamp = try reader.optional(String.self)
                let bytes = try reader.optionalSize()
                let index = stamp.flatMap { stamp in
                    bytes.map { IndexUsage(stamp: stamp, bytes: $0) }
                }
                return StoreUsageRow(
                    folder: folder, snapshotsSeen: try reader.raw(),
                    snapshotCount: try reader.size(), snapshotBytes: try reader.size(),
                    index: index)
            }
            guard let row = rows.first else { throw CatalogError.noVolume(volume) }
            return row
        }
    }

    private static let usageSQL = """
        SELECT usage_folder, index_stamp, index_bytes, snapshots_seen,
            (SELECT count(store_bytes) FROM snapshot
                WHERE volume_id = v.id AND phase = 'present'),
            (SELECT coalesce(sum(store_bytes), 0) FROM snapshot
                WHERE volume_id = v.id AND phase = 'present')
        FROM volume v WHERE id = ?
        """

    /// How SQLite finds that, a step per line: what tells whether an index has all of it.
    func usagePlan(volume: String) throws -> [String] {
        try read("planning a look") { database in
            try Row.fetchAll(
                database, sql: "EXPLAIN QUERY PLAN \(Self.usageSQL)",
                arguments: [try Self.volumeID(database, volume)]
            ).map { row in row["detail"] }
        }
    }

    /// For how long writers wait for each other, in milliseconds.
    func busyTimeout() throws -> Int? {
        try read("reading a setting") { try Int.fetchOne($0, sql: "PRAGMA busy_timeout") }
    }

    /// What each of those folders occupies.
    package func countedSnapshots(volume: String) throws -> [SnapshotOrdinal: Int] {
        try read("reading what the snapshots of volume \(volume) occupy") { database in
            let rows = try Row.map(
                database,
                sql: """
                    SELECT ordinal, store_bytes FROM snapshot
                    WHERE volume_id = ? AND phase = 'present' AND store_bytes IS NOT NULL
                    """,
                arguments: [try Self.volumeID(database, volume)]
            ) { reader in (try reader.raw(SnapshotOrdinal.self), try reader.size()) }
            return Dictionary(rows) { first, _ in first }
        }
    }

    /// The snapshots whose folders do not change any more. The last but one may have been frozen just
    /// now, and whoever did that may not have tidied its area yet.
    ///
    /// - Parameter isCounted: also those whose folders were counted.
    package func settledSnapshots(
        volume: String, isCounted: Bool
    ) throws -> [SnapshotOrdinal] {
        try read("looking for snapshots of volume \(volume) to be counted") { database in
            try Row.map(
                database,
                sql: """
                    SELECT ordinal FROM snapshot AS s
                    WHERE volume_id = ? AND (? OR store_bytes IS NULL) AND \(Self.isSettled)
                    """,
                arguments: [try Self.volumeID(database, volume), isCounted]
            ) { try $0.raw() }
        }
    }

    /// Whether the folder of snapshot `s` does not change any more as long as it is there: the chunk map
    /// of an area is recorded when it has grown for the last time.
    private static let isSettled = """
        s.phase = 'present'
        AND s.ordinal <= (SELECT snapshots_seen FROM volume WHERE id = s.volume_id) - 2
        AND EXISTS (SELECT 1 FROM chunk_map m
            WHERE m.volume_id = s.volume_id AND m.ordinal = s.ordinal)
        """

    /// Remembers what snapshots' folders occupy; those that may change yet are left out. What was counted
    /// in another folder is forgotten. When another process writes, it fails at once.
    package func recordUsage(
        of snapshots: [SnapshotOrdinal: Int], in folder: String, volume: String
    ) throws {
        try write("recording what the snapshots of volume \(volume) occupy", waits: false) {
            database in
            let id = try Self.volumeID(database, volume)
            try database.execute(
                sql: "UPDATE volume SET usage_folder = ? WHERE id = ? AND usage_folder IS NOT ?",
                arguments: [folder, id, folder])
            if database.changesCount > 0 {
                try database.execute(
                    sql: """
                        UPDATE snapshot SET store_bytes = NULL
                        WHERE volume_id = ? AND phase = 'present' AND store_bytes IS NOT NULL
                        """,
                    arguments: [id])
            }
            let statement = try database.cachedStatement(
                sql: """
                    UPDATE snapshot AS s SET store_bytes = ?
                    WHERE volume_id = ? AND ordinal = ? AND ordinal > 0 AND \(Self.isSettled)
                    """)
            for (ordinal, bytes) in snapshots {
                try statement.execute(arguments: [bytes, id, ordinal.rawValue])
            }
        }
    }

    /// Remembers what the index of views occupies. When another process writes, it fails at once.
    package func recordUsage(of index: IndexUsage, volume: String) throws {
        try write("recording what the index of volume \(volume) occupies", waits: false) {
            database in
            try database.execute(
                sql: "UPDATE volume SET index_stamp = ?, index_bytes = ? WHERE id = ?",
                arguments: [index.stamp, index.bytes, try Self.volumeID(database, volume)])
        }
    }

    /// Forgets what was found out of a volume's snapshots, so that the next looks ask for it again: somebody
    /// may have changed files that do not change by themselves. What a look notes that has begun before is not
    /// believed.
    ///
    /// - Parameter waits: whether it waits for another process that writes, and does not fail at once.
    package func forgetLooks(volume: String, waits: Bool) throws {
        try write("forgetting what is known of the store of volume \(volume)", waits: waits) {
            database in
            let id = try Self.volumeID(database, volume)
            try database.execute(
                sql: """
                    UPDATE volume SET usage_folder = NULL, whole_folder = NULL,
                        doubts = min(doubts, 1000000000000) + 1
                    WHERE id = ?
                    """,
                arguments: [id])
        }
    }
}
