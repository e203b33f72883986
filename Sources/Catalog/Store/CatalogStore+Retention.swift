import GRDB
package import SnapshotModel

/// The little of a snapshot that retention looks at, so that a volume with tens of thousands of them
/// is read at once.
package struct RetentionRow: Hashable, Sendable {
    package var id: SnapshotID
    package var ordinal: SnapshotOrdinal
    package var takenAt: Timestamp
    package var kind: SnapshotKind
    package var name: String?
    package var setName: String?
    package var schedule: String?
    package var tags: [String]
    /// What deleting it alone would free, in bytes; nil when not computed.
    package var exclusiveBytes: Int?
}

extension CatalogStore {
    /// A volume's snapshots that are neither being made nor deleted, in the order of the chain.
    package func retentionRows(volume: String) throws -> [RetentionRow] {
        try read("reading the snapshots of volume \(volume)") { database in
            try Row.map(
                database,
                sql: """
                    SELECT s.id, s.ordinal, s.taken_at, s.kind, s.name, g.name, s.schedule, s.tags,
                        s.exclusive_bytes
                    FROM snapshot s LEFT JOIN snapshot_set g ON g.id = s.set_id
                    WHERE s.volume_id = ? AND s.phase = 'present' ORDER BY s.ordinal
                    """,
                arguments: [try Self.volumeID(database, volume)]
            ) { reader in
                RetentionRow(
                    id: try reader.raw(), ordinal: try reader.raw(),
                    takenAt: try reader.timestamp(), kind: try reader.raw(),
                    name: try reader.optional(), setName: try reader.optional(),
                    schedule: try reader.optional(), tags: try reader.words() ?? [],
                    exclusiveBytes: try reader.optionalSize())
            }
        }
    }
}
