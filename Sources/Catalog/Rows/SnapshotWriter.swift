import GRDB
import SnapshotModel

/// Writes the columns that hold a manifest.
struct SnapshotWriter {
    private let database: Database

    init(_ database: Database) { self.database = database }

    private static let columns = [
        "phase", "ordinal", "taken_at", "volume_bytes", "kind", "consistency", "name", "set_id",
        "set_volumes", "schedule", "slot", "tags", "note", "revert_id", "floor_snapshot",
        "floor_set",
        "floor_revert",
    ]

    private static let insertSQL = """
        INSERT INTO snapshot (\(columns.joined(separator: ", ")), id, volume_id)
        VALUES (\(columns.map { _ in "?" }.joined(separator: ", ")), ?, ?)
        """

    private static let commitSQL = """
        UPDATE snapshot SET \(columns.map { "\($0) = ?" }.joined(separator: ", "))
        WHERE id = ? AND volume_id = ? AND phase = 'creating'
        """

    /// - Parameters:
    ///   - id: the snapshot's id; nil takes the next one.
    ///   - volume: the row id of the volume.
    func insert(
        _ manifest: SnapshotManifest, id: SnapshotID?, volume: Int64, phase: SnapshotPhase
    ) throws {
        try database.cachedStatement(sql: Self.insertSQL).execute(
            arguments: arguments(manifest, phase) + [id?.rawValue, volume])
    }

    /// Writes a manifest over the row that its creation began.
    func commit(_ manifest: SnapshotManifest, volume: Int64) throws {
        let phase: SnapshotPhase = manifest.isDeleted ? .deleting : .present
        try database.cachedStatement(sql: Self.commitSQL).execute(
            arguments: arguments(manifest, phase) + [manifest.id.rawValue, volume])
        guard database.changesCount == 1 else {
            throw CatalogError(
                .notFound, "the catalog knows of no creation of snapshot \(manifest.id)",
                hint: CatalogError.rebuildHint)
        }
    }

    private func arguments(
        _ manifest: SnapshotManifest, _ phase: SnapshotPhase
    ) throws -> StatementArguments {
        [
            phase.rawValue, manifest.ordinal.rawValue, manifest.takenAt.stored,
            manifest.volumeBytes, manifest.kind.rawValue, manifest.consistency.rawValue,
            manifest.name, manifest.setID?.rawValue, try setVolumes(of: manifest),
            manifest.schedule, manifest.slot?.stored,
            try RowReader.column(manifest.tags.isEmpty ? nil : manifest.tags),
            manifest.note, manifest.revertID?.rawValue, manifest.idFloor.snapshot.rawValue,
            manifest.idFloor.set.rawValue, manifest.idFloor.revert.rawValue,
        ]
    }

    /// The volumes of a set are the same for all of its members, and noted with the set: null stands for
    /// those. A member that has others, or none (the JSON `null`), has them in its own column.
    private func setVolumes(of manifest: SnapshotManifest) throws -> String? {
        guard let set = manifest.setID?.rawValue else {
            return try RowReader.column(manifest.setVolumes)
        }
        guard let volumes = try RowReader.column(manifest.setVolumes) else {
            return RowReader.noWords
        }
        try database.cachedStatement(
            sql: "UPDATE snapshot_set SET volumes = ? WHERE id = ? AND volumes IS NULL"
        ).execute(arguments: [volumes, set])
        let isNoted = try Bool.fetchOne(
            database.cachedStatement(sql: "SELECT volumes = ? FROM snapshot_set WHERE id = ?"),
            arguments: [volumes, set])
        return isNoted == true ? nil : volumes
    }
}
