import GRDB
package import SnapshotModel

/// Sets by their names, of which there may be as many as a schedule has taken.
extension CatalogStore {
    /// Whether a set of that name has a snapshot.
    package func hasSet(named name: String) throws -> Bool {
        try read("looking for set \(name)") {
            try Bool.fetchOne(
                $0,
                sql: """
                    SELECT EXISTS (SELECT 1 FROM snapshot_set g JOIN snapshot s ON s.set_id = g.id
                        WHERE g.name = ?)
                    """,
                arguments: [name]) ?? false
        }
    }

    /// The newest sets of a name that have snapshots, by id; at most so many.
    package func newestSets(named name: String, limit: Int) throws -> [SetRow] {
        try sets(
            "looking for set \(name)",
            """
            SELECT g.id FROM snapshot_set g
            WHERE g.name = ? AND EXISTS (SELECT 1 FROM snapshot WHERE set_id = g.id)
            ORDER BY g.id DESC LIMIT ?
            """, [name, max(0, limit)]
        ).reversed()
    }

    /// The newest set of a name that has all its snapshots, each taken at `time` or before; nil is
    /// whenever.
    package func latestWholeSet(named name: String, notAfter time: Timestamp?) throws -> SetRow? {
        try sets(
            "looking for the newest set \(name)",
            """
            SELECT g.id FROM snapshot_set g JOIN snapshot s ON s.set_id = g.id
            WHERE g.name = ? AND s.phase = 'present'
            GROUP BY g.id
            HAVING max(s.taken_at) <= ? AND count(*) >= coalesce(json_array_length(g.volumes), 1)
            ORDER BY g.id DESC LIMIT 1
            """, [name, time?.stored ?? Int64.max]
        ).first
    }

    /// The sets of a name whose snapshots all have another name, by id.
    package func sets(named name: String, withSnapshotNamed word: String) throws -> [SetRow] {
        try sets(
            "looking for set \(name)@\(word)",
            """
            SELECT DISTINCT g.id FROM snapshot_set g JOIN snapshot s ON s.set_id = g.id
            WHERE g.name = ? AND s.name = ? AND s.phase = 'present' AND NOT EXISTS (
                SELECT 1 FROM snapshot o WHERE o.set_id = g.id AND o.name IS NOT s.name)
            ORDER BY g.id
            """, [name, word])
    }

    /// The sets whose ids a query finds, in its order.
    private func sets(
        _ action: String, _ sql: String, _ arguments: StatementArguments
    ) throws -> [SetRow] {
        let ids = try read(action) { try Int64.fetchAll($0, sql: sql, arguments: arguments) }
        return try ids.compactMap { try set(SetID(rawValue: $0)) }
    }

    /// How many names are looked through for one that somebody may have meant.
    private static let nameCount = 2000

    /// The names that sets have, of which one may be meant.
    package func setNames() throws -> [String] {
        try read("listing the names of sets") {
            try String.fetchAll(
                $0,
                sql: "SELECT DISTINCT name FROM snapshot_set WHERE name IS NOT NULL LIMIT ?",
                arguments: [Self.nameCount])
        }
    }

    /// The names that a volume's snapshots have, the newest first, of which one may be meant.
    package func snapshotNames(volume: String) throws -> [String] {
        try read("listing the names of volume \(volume)'s snapshots") {
            try String.fetchAll(
                $0,
                sql: """
                    SELECT s.name FROM snapshot s JOIN volume v ON v.id = s.volume_id
                    WHERE v.name = ? AND s.name IS NOT NULL AND s.phase = 'present'
                    GROUP BY s.name ORDER BY max(s.id) DESC LIMIT ?
                    """,
                arguments: [volume, Self.nameCount])
        }
    }

    /// The same of the sets of a name.
    package func snapshotNames(set: String) throws -> [String] {
        try read("listing the names of set \(set)'s snapshots") {
            try String.fetchAll(
                $0,
                sql: """
                    SELECT s.name FROM snapshot s JOIN snapshot_set g ON g.id = s.set_id
                    WHERE g.name = ? AND s.name IS NOT NULL AND s.phase = 'present'
                    GROUP BY s.name ORDER BY max(s.id) DESC LIMIT ?
                    """,
                arguments: [set, Self.nameCount])
        }
    }
}
