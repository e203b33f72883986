import GRDB
package import SnapshotModel

// The stores say which clones there are. A clone is made and deleted in three steps: begin (the catalog notes
// its name) -> the store does it -> the catalog takes over what the store says.
extension CatalogStore {
    /// All clones by volume and name.
    package func clones() throws -> [CloneRow] {
        try read("listing clones") { try Self.clones($0, where: "1", []) }
    }

    /// The clones of a volume by name.
    package func clones(volume: String) throws -> [CloneRow] {
        try read("listing the clones of volume \(volume)") {
            try Self.clones($0, where: "v.name = ?", [volume])
        }
    }

    /// The clones of a snapshot by name.
    package func clones(snapshot: SnapshotID) throws -> [CloneRow] {
        try read("listing the clones of snapshot \(snapshot)") {
            try Self.clones($0, where: "c.snapshot_id = ?", [snapshot.rawValue])
        }
    }

    /// The clones with a name: one, but where stores with the same names have come together.
    package func clones(named name: String) throws -> [CloneRow] {
        try read("looking for clone \(name)") {
            try Self.clones($0, where: "c.name = ?", [name])
        }
    }

    /// Whether a clone is being made or deleted that has this name, in another volume than `volume`.
    package func isCloning(_ name: String, besides volume: String) throws -> Bool {
        try read("looking for clone \(name)") { database in
            try Int.fetchOne(
                database, sql: "SELECT 1 FROM volume WHERE cloning = ? AND name <> ?",
                arguments: [name, volume]) != nil
        }
    }

    /// Remembers that a clone is about to be made or deleted in its store: until
    /// ``setClones(volume:_:)``, what that says counts, whatever cuts the command.
    package func beginCloning(volume: String, name: String) throws {
        try write("beginning with clone \(name)") { database in
            try database.execute(
                sql: "UPDATE volume SET cloning = ? WHERE name = ?", arguments: [name, volume])
            guard database.changesCount == 1 else { throw CatalogError.noVolume(volume) }
        }
    }

    /// Takes over what a volume's store says of its clones.
    package func setClones(volume: String, _ clones: [CloneRecord]) throws {
        try write("recording the clones of volume \(volume)") { database in
            let id = try Self.volumeID(database, volume)
            try database.execute(sql: "DELETE FROM clone WHERE volume_id = ?", arguments: [id])
            for clone in clones { try Self.insert(database, clone, volume: id) }
            try database.execute(
                sql: "UPDATE volume SET cloning = NULL WHERE id = ?", arguments: [id])
        }
    }

    static func insert(_ database: Database, _ clone: CloneRecord, volume: Int64) throws {
        try database.execute(
            sql: """
                INSERT INTO clone (volume_id, ordinal, name, snapshot_id, snapshot_ordinal,
                    volume_bytes, created_at, role, layers, parent, snapshot_bytes)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                volume, clone.ordinal.rawValue, clone.name, clone.snapshotID.rawValue,
                clone.snapshot.rawValue, clone.volumeBytes, clone.createdAt.stored,
                clone.role?.rawValue,
                try RowReader.column(clone.layers?.map { String($0.rawValue) }),
                clone.parent, clone.snapshotBytes,
            ])
    }

    /// - Throws: `held`, with the first of some snapshots that has a clone.
    static func requireNotCloned(_ database: Database, _ list: NumberList) throws {
        let clone = try Row.map(
            database,
            sql: """
                SELECT snapshot_id, name FROM json_each(?) CROSS JOIN clone ON snapshot_id = value
                ORDER BY key, name LIMIT 1
                """,
            arguments: [list]
        ) { (id: try $0.raw(SnapshotID.self), name: try $0.value(String.self)) }.first
        guard let (id, name) = clone else { return }
        throw CatalogError(
            .held, "snapshot \(id) has the clone \(name)",
            hint: "delete that first, if nobody needs it: \(.cloneDelete(name))")
    }

    private static func clones(
        _ database: Database, where condition: String, _ arguments: StatementArguments
    ) throws -> [CloneRow] {
        try Row.map(
            database,
            sql: """
                SELECT v.name, c.ordinal, c.name, c.snapshot_ordinal, c.snapshot_id,
                    c.volume_bytes, c.created_at, c.role, c.layers, c.parent, c.snapshot_bytes
                FROM clone c JOIN volume v ON v.id = c.volume_id
                WHERE \(condition) ORDER BY v.name, c.name, c.ordinal
                """,
            arguments: arguments
        ) { reader in
            CloneRow(
                volume: try reader.value(),
                record: CloneRecord(
                    ordinal: try reader.raw(), name: try reader.value(),
                    snapshot: try reader.raw(), snapshotID: try reader.raw(),
                    volumeBytes: try reader.size(), createdAt: try reader.timestamp(),
                    role: try reader.optionalRaw(), layers: try reader.optionalOrdinals(),
                    parent: try reader.optional(), snapshotBytes: try reader.optionalSize()))
        }
    }
}
