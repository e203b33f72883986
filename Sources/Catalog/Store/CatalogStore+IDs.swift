import GRDB
package import SnapshotModel

extension CatalogStore {
    /// The highest ids ever given out, those of abandoned and removed objects included.
    package func idFloor() throws -> IDFloor {
        try read("reading the highest ids") { try Self.idFloor($0) }
    }

    /// Makes sure that no id up to `floor` is given out any more. It never lowers anything.
    package func raiseIDFloor(to floor: IDFloor) throws {
        try write("raising the highest ids") { try Self.raiseIDFloor($0, to: floor) }
    }

    static func idFloor(_ database: Database) throws -> IDFloor {
        func highest<ID: BoundedNumber>(_ table: String) throws -> ID where ID.RawValue == Int64 {
            let number = try Int64.fetchOne(
                database, sql: "SELECT seq FROM sqlite_sequence WHERE name = ?", arguments: [table])
            return try checked(number ?? 0)
        }
        return IDFloor(
            snapshot: try highest("snapshot"), set: try highest("snapshot_set"),
            revert: try highest("revert"))
    }

    /// The id of the row that was inserted just now.
    ///
    /// - Throws: `corrupt` when it is so high that no record could be read that has it.
    static func insertedID<ID: BoundedNumber>(_ database: Database) throws -> ID
    where ID.RawValue == Int64 {
        try checked(database.lastInsertedRowID)
    }

    private static func checked<ID: BoundedNumber>(_ number: Int64) throws -> ID
    where ID.RawValue == Int64 {
        guard let id = ID(checking: number) else {
            throw CatalogError.corrupt("the catalog has given out the impossible id \(number)")
        }
        return id
    }

    /// Writes SQLite's own table of AUTOINCREMENT counters; it has no unique key to upsert on.
    static func raiseIDFloor(_ database: Database, to floor: IDFloor) throws {
        let counters = [
            ("snapshot", floor.snapshot.rawValue), ("snapshot_set", floor.set.rawValue),
            ("revert", floor.revert.rawValue),
        ]
        for (table, value) in counters {
            try database.execute(
                sql: "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?",
                arguments: [value, table])
            if database.changesCount == 0 {
                try database.execute(
                    sql: "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)",
                    arguments: [table, value])
            }
        }
    }
}
