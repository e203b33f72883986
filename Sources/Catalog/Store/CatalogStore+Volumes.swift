import GRDB
import SnapshotModel

extension CatalogStore {
    /// - Throws: `duplicate` when the name, the UUID or the store is another volume's.
    package func insertVolume(_ volume: VolumeRow) throws {
        try write("adding volume \(volume.record.name)") {
            try Self.requireNew($0, volume)
            try Self.insert($0, volume)
        }
    }

    /// All volumes, by name.
    package func volumes() throws -> [VolumeRow] {
        try read("listing volumes") {
            try Row.map($0, sql: Self.selectVolumes + " ORDER BY name", Self.volumeRow)
        }
    }

    package func volume(named name: String) throws -> VolumeRow? {
        try read("looking for volume \(name)") {
            try Row.map(
                $0, sql: Self.selectVolumes + " WHERE name = ?", arguments: [name], Self.volumeRow
            ).first
        }
    }

    /// Replaces what is known of the volume that has this UUID; so a volume can be renamed. The
    /// highest ordinal is only raised: a snapshot may have been taken since the row was read.
    ///
    /// - Throws: `notFound` when no volume has the UUID, `duplicate` when the new name or store is
    ///   another volume's.
    package func updateVolume(_ volume: VolumeRow) throws {
        try write("updating volume \(volume.record.name)") { database in
            let assignments = Self.volumeColumns.map {
                $0 == "snapshots_seen" ? "\($0) = max(\($0), ?)" : "\($0) = ?"
            }.joined(separator: ", ")
            try database.execute(
                sql: "UPDATE volume SET \(assignments) WHERE uuid = ?",
                arguments: Self.volumeArguments(volume) + [volume.record.uuid])
            guard database.changesCount == 1 else {
                throw CatalogError.noVolume(volume.record.name)
            }
        }
    }

    /// As ``updateVolume(_:)``, of a volume that had another name: its events, and the slots that its
    /// schedules have served, are known by the new one from now on.
    package func renameVolume(_ volume: VolumeRow, from name: String) throws {
        try updateVolume(volume)
        let (old, new) = (ScheduleTarget.volume(name), ScheduleTarget.volume(volume.record.name))
        try write("renaming volume \(name)") { database in
            try database.execute(
                sql: "UPDATE event SET volume = ? WHERE volume = ?",
                arguments: [volume.record.name, name])
            // What another volume of the name has left would be taken for this one's.
            for table in ["schedule_beginning", "served_slot"] {
                try database.execute(
                    sql: "DELETE FROM \(table) WHERE target = ?", arguments: [new.description])
                try database.execute(
                    sql: "UPDATE \(table) SET target = ? WHERE target = ?",
                    arguments: [new.description, old.description])
            }
        }
    }

    /// Forgets a volume with its snapshots, chunk maps, reverts and holds. Its events stay.
    ///
    /// - Throws: `notFound`.
    package func removeVolume(named name: String) throws {
        try write("removing volume \(name)") { database in
            let id = try Self.volumeID(database, name)
            try Self.removing(database, snapshotsWhere: "volume_id = ?", [id]) {
                try database.execute(sql: "DELETE FROM volume WHERE id = ?", arguments: [id])
            }
        }
    }

    /// The row id of a volume.
    ///
    /// - Throws: `notFound`.
    static func volumeID(_ database: Database, _ name: String) throws -> Int64 {
        let id = try Int64.fetchOne(
            database.cachedStatement(sql: "SELECT id FROM volume WHERE name = ?"),
            arguments: [name])
        guard let id else { throw CatalogError.noVolume(name) }
        return id
    }

    @discardableResult
    static func insert(_ database: Database, _ volume: VolumeRow) throws -> Int64 {
        let places = volumeColumns.map { _ in "?" }.joined(separator: ", ")
        try database.execute(
            sql: "INSERT INTO volume (\(volumeColumns.joined(separator: ", "))) VALUES (\(places))",
            arguments: volumeArguments(volume))
        return database.lastInsertedRowID
    }

    private static func requireNew(_ database: Database, _ volume: VolumeRow) throws {
        let other = try String.fetchOne(
            database, sql: "SELECT name FROM volume WHERE name = ? OR uuid = ? OR store_path = ?",
            arguments: [volume.record.name, volume.record.uuid, volume.storePath])
        guard let other else { return }
        let cause =
            other == volume.record.name
            ? "volume \(other) is in the catalog already"
            : "volume \(other) has the same UUID or store as \(volume.record.name)"
        throw CatalogError(.duplicate, cause, hint: "run \(.volumeShow(other))")
    }
}

// MARK: - Columns

extension CatalogStore {
    private static let volumeColumns = [
        "name", "uuid", "driver", "origin_path", "volume_bytes", "chunk_bytes",
        "store_full_policy", "created_at", "floor_snapshot", "floor_set", "floor_revert",
        "store_path", "snapshots_seen",
    ]

    private static let selectVolumes =
        "SELECT \(volumeColumns.joined(separator: ", ")), labelling, cloning FROM volume"

    private static func volumeArguments(_ volume: VolumeRow) -> StatementArguments {
        let record = volume.record
        return [
            record.name, record.uuid, record.driver.rawValue, record.originPath,
            record.geometry.volumeBytes, record.geometry.chunkBytes,
            record.storeFullPolicy.rawValue, record.createdAt.stored,
            record.idFloor.snapshot.rawValue, record.idFloor.set.rawValue,
            record.idFloor.revert.rawValue, volume.storePath, volume.snapshotsSeen.rawValue,
        ]
    }

    private static func volumeRow(_ reader: inout RowReader) throws -> VolumeRow {
        VolumeRow(
            record: VolumeRecord(
                name: try reader.value(), uuid: try reader.value(), driver: try reader.raw(),
                originPath: try reader.value(),
                geometry: try reader.geometry(),
                storeFullPolicy: try reader.raw(), createdAt: try reader.timestamp(),
                idFloor: try reader.idFloor()),
            storePath: try reader.value(), snapshotsSeen: try reader.raw(),
            labelling: try reader.optionalRaw(), cloning: try reader.optional())
    }
}
