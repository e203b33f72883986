import GRDB
package import SnapshotModel

extension CatalogStore {
    /// Gives out the id of a new set. Names need not be unique.
    package func beginSet(name: String?) throws -> SetID {
        try write("beginning a set") { database in
            _ = try Self.idFloor(database)
            try database.execute(
                sql: "INSERT INTO snapshot_set (name, created_at) VALUES (?, ?)",
                arguments: [name, now().stored])
            return try Self.insertedID(database)
        }
    }

    /// Records for how long writes to the set's volumes waited, in nanoseconds.
    package func setHeld(_ id: SetID, nanoseconds: Int64) throws {
        try write("recording set \(id)") {
            try $0.execute(
                sql: "UPDATE snapshot_set SET held_nanoseconds = ? WHERE id = ?",
                arguments: [nanoseconds, id.rawValue])
        }
    }

    /// Forgets a set that has no members; its id stays burnt. A set with members stays.
    package func abandonSet(_ id: SetID) throws {
        try write("abandoning set \(id)") { try Self.removeEmpty($0, NumberList([id])) }
    }

    /// All sets, by id.
    package func sets() throws -> [SetRow] {
        try read("listing sets") { try Self.sets($0, where: "1", []) }
    }

    package func set(_ id: SetID) throws -> SetRow? {
        try read("looking for set \(id)") {
            try Self.sets($0, where: "g.id = ?", [id.rawValue]).first
        }
    }

    /// The newest set of that name; ``sets(named:)`` has all.
    package func set(named name: String) throws -> SetRow? {
        try sets(named: name).last
    }

    /// The sets of that name, by id.
    package func sets(named name: String) throws -> [SetRow] {
        try read("looking for set \(name)") { try Self.sets($0, where: "g.name = ?", [name]) }
    }

    private static func sets(
        _ database: Database, where condition: String, _ arguments: StatementArguments
    ) throws -> [SetRow] {
        let members = try Row.map(
            database,
            sql: """
                SELECT g.id, g.name, g.created_at, g.held_nanoseconds, s.id
                FROM snapshot_set g LEFT JOIN snapshot s ON s.set_id = g.id
                WHERE \(condition) ORDER BY g.id, s.id
                """,
            arguments: arguments
        ) { reader in
            SetRow(
                id: try reader.raw(), name: try reader.optional(),
                createdAt: try reader.timestamp(), heldNanoseconds: try reader.optional(),
                snapshots: try reader.optionalRaw(SnapshotID.self).map { [$0] } ?? [])
        }
        return members.reduce(into: []) { sets, member in
            if sets.last?.id == member.id {
                sets[sets.count - 1].snapshots += member.snapshots
            } else {
                sets.append(member)
            }
        }
    }

    /// Runs `remove`, then forgets the sets that it took the last member from. Other sets without
    /// members stay: somebody may have just begun them.
    ///
    /// - Parameter condition: what is true of the snapshots that will be removed.
    static func removing(
        _ database: Database, snapshotsWhere condition: String, _ arguments: StatementArguments,
        remove: () throws -> Void
    ) throws {
        let sets = try Int64.fetchAll(
            database,
            sql: "SELECT DISTINCT set_id FROM snapshot WHERE set_id IS NOT NULL AND \(condition)",
            arguments: arguments)
        try remove()
        if !sets.isEmpty { try removeEmpty(database, NumberList(sets)) }
    }

    /// Forgets those of some sets that have no members.
    private static func removeEmpty(_ database: Database, _ sets: NumberList) throws {
        try database.execute(
            sql: """
                DELETE FROM snapshot_set WHERE id \(NumberList.isMember)
                    AND NOT EXISTS (SELECT 1 FROM snapshot WHERE set_id = snapshot_set.id)
                """,
            arguments: [sets])
    }
}
