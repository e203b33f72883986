import GRDB
import SnapshotModel

extension CatalogStore {
    /// Looks for damage in the whole file: SQLite's structures, references between tables, and every
    /// chunk map.
    ///
    /// - Returns: a sentence per problem; none when all is well.
    package func integrityCheck() throws -> [String] {
        try read("checking") { database in
            let structure = try String.fetchAll(database, sql: "PRAGMA integrity_check")
                .filter { $0 != "ok" }
            // Reading on through broken b-trees would only say the same thing again.
            guard structure.isEmpty else { return structure }
            let references = try Row.fetchAll(database, sql: "PRAGMA foreign_key_check").map {
                "table \($0[0] as DatabaseValue) row \($0[1] as DatabaseValue) refers to a row of "
                    + "\($0[2] as DatabaseValue) that is not there"
            }
            return try references + unreadableRows() + Self.chunkMapProblems(database)
        }
    }

    /// Reads every row but chunk maps as commands do.
    private func unreadableRows() throws -> [String] {
        let readers: [() throws -> Void] = [
            { _ = try self.volumes() }, { _ = try self.snapshots(query: SnapshotQuery()) },
            { _ = try self.sets() }, { _ = try self.holds() }, { _ = try self.idFloor() },
            { _ = try self.clones() },
            { _ = try self.scheduleMarks() }, { _ = try self.clock() },
            { _ = try self.unfinishedReverts() },
            {
                for volume in try self.volumes() {
                    _ = try self.reverts(volume: volume.record.name)
                }
            },
        ]
        return try readers.compactMap { read in
            do {
                try read()
                return nil
            } catch let error as CatalogError where error.code == .corrupt { return error.message }
        }
    }

    /// A volume at a time, so that not all maps are in memory at once.
    private static func chunkMapProblems(_ database: Database) throws -> [String] {
        try Row.map(database, sql: "SELECT id, name FROM volume ORDER BY name") { reader in
            (try reader.value(Int64.self), try reader.value(String.self))
        }.flatMap { id, name in
            try storedMaps(database, where: "volume_id = ?", [id]).compactMap { stored in
                do {
                    _ = try stored.map()
                    return nil
                } catch let error as CatalogError {
                    return "volume \(name), area \(stored.ordinal): \(error.message)"
                }
            }
        }
    }
}
