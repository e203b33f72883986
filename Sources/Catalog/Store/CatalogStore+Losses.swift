import GRDB
package import SnapshotModel

/// What a look for lost exceptions need not look at, and what it may find out.
package struct LossWatch: Hashable, Sendable {
    /// The newest snapshot that the catalog has seen; 0 when it has seen none.
    package let newest: SnapshotOrdinal
    /// All up to this one are known: they are broken, or were whole when their areas had stopped to grow.
    /// 0 when nothing is known.
    package let known: SnapshotOrdinal
    /// The last one whose area grows no more, as far as the catalog can tell; nil when there is none.
    package let settled: SettledSnapshot?
    /// How often what was known had been forgotten.
    package let doubts: Int
}

/// A snapshot by its two numbers: its ordinal may be another one's when all snapshots are gone.
package struct SettledSnapshot: Hashable, Sendable {
    package let id: SnapshotID
    package let ordinal: SnapshotOrdinal
}

// Which snapshots have lost nothing. An area loses exceptions while it grows, and never later.
extension CatalogStore {
    /// - Parameters:
    ///   - folder: what tells the folder of snapshots from its copies.
    ///   - safety: the snapshot whose area the running merge preserves into.
    /// - Throws: `notFound` when there is no such volume; so does the other.
    package func lossWatch(
        volume: String, in folder: String?, safety: SnapshotOrdinal?
    ) throws -> LossWatch {
        try read("looking for what is known of losses of volume \(volume)") { database in
            let id = try Self.volumeID(database, volume)
            let seen = try Row.map(
                database,
                sql: """
                    SELECT snapshots_seen, doubts, (SELECT max(ordinal) FROM snapshot
                        WHERE volume_id = v.id AND is_broken AND phase = 'present')
                    FROM volume v WHERE id = ?
                    """, arguments: [id]
            ) { reader in
                (
                    newest: try reader.raw(SnapshotOrdinal.self),
                    doubts: try reader.size(),
                    broken: try reader.optionalRaw(SnapshotOrdinal.self)
                )
            }
            guard let (newest, doubts, broken) = seen.first else {
                throw CatalogError.noVolume(volume)
            }
            let whole = try Self.wholeThrough(database, id, folder)
            let none = SnapshotOrdinal(rawValue: 0)
            let last = min(newest.rawValue, safety?.next.rawValue ?? .max).addingClamped(-2)
            let settled = try Self.newestSnapshot(database, id, upTo: last)
            return LossWatch(
                newest: newest, known: [whole, broken].compactMap(\.self).max() ?? none,
                settled: settled, doubts: doubts)
        }
    }

    /// Remembers of the snapshots up to one, as far as they were settled, that they are broken in the catalog,
    /// or have lost nothing; not when it was forgotten since they were looked at. When another process writes,
    /// it fails at once.
    ///
    /// - Parameter watch: what the look began with.
    package func recordKnown(
        _ watch: LossWatch, upTo ordinal: SnapshotOrdinal, in folder: String, volume: String
    ) throws {
        guard let settled = watch.settled else { return }
        try write("recording that volume \(volume) has lost nothing", waits: false) { database in
            let id = try Self.volumeID(database, volume)
            let last = try Self.newestSnapshot(
                database, id, upTo: min(ordinal, settled.ordinal).rawValue,
                madeUpTo: settled.id.rawValue)
            guard let last else { return }
            try database.execute(
                sql: """
                    UPDATE volume SET whole_folder = ?, whole_id = ?, whole_ordinal = ?
                    WHERE id = ? AND doubts = ?
                    """,
                arguments: [folder, last.id.rawValue, last.ordinal.rawValue, id, watch.doubts])
        }
    }

    /// Believed as long as the snapshot is there, or an older one of its time: else the chain may have begun
    /// anew.
    private static func wholeThrough(
        _ database: Database, _ volume: Int64, _ folder: String?
    ) throws -> SnapshotOrdinal? {
        let noted = try Row.map(
            database,
            sql: "SELECT whole_ordinal, whole_id FROM volume WHERE id = ? AND whole_folder = ?",
            arguments: [volume, folder]
        ) { (ordinal: try $0.value(Int.self), id: try $0.value(Int64.self)) }
        return try noted.first.flatMap {
            try newestSnapshot(database, volume, upTo: $0.ordinal, madeUpTo: $0.id)?.ordinal
        }
    }

    private static func newestSnapshot(
        _ database: Database, _ volume: Int64, upTo ordinal: Int, madeUpTo id: Int64 = .max
    ) throws -> SettledSnapshot? {
        try Row.map(
            database, sql: newestSQL, arguments: [volume, ordinal, id]
        ) { SettledSnapshot(id: try $0.raw(), ordinal: try $0.raw()) }.first
    }

    private static let newestSQL = """
        SELECT id, ordinal FROM snapshot
        WHERE volume_id = ? AND phase = 'present' AND ordinal BETWEEN 1 AND ? AND id <= ?
        ORDER BY ordinal DESC LIMIT 1
        """
}
