import GRDB
package import SnapshotModel

// A snapshot is made in two steps, so that a crash between the store's manifest and the catalog is
// seen: begin (the id is given out) -> the store creates it -> commit. Deletion is the same:
// mark -> the store frees it -> remove.
extension CatalogStore {
    /// Gives out a snapshot's id and remembers that its creation has begun.
    ///
    /// - Throws: `notFound` when there is no such volume.
    package func beginSnapshot(
        volume: String, description: SnapshotDescription
    ) throws -> SnapshotID {
        try write("beginning a snapshot of volume \(volume)") { database in
            // Refuses before an id that no store could record is given out.
            _ = try Self.idFloor(database)
            let manifest = SnapshotManifest(
                ordinal: SnapshotOrdinal(rawValue: 0), id: SnapshotID(rawValue: 0),
                volumeBytes: try Self.volumeBytes(database, volume), takenAt: now(),
                description: description)
            try SnapshotWriter(database).insert(
                manifest, id: nil, volume: Self.volumeID(database, volume), phase: .creating)
            return try Self.insertedID(database)
        }
    }

    /// Records what the store has made: the snapshot becomes the volume's active one, and the one
    /// before it is frozen. A manifest with the deleted mark lands in the phase `deleting`.
    ///
    /// - Throws: `notFound` when the volume has no snapshot of that id in creation, `duplicate` when
    ///   it has another one of that ordinal.
    ///
    /// - Parameter servesSlot: whether the schedule that asked for it is content; not with one that
    ///   will be deleted at once.
    package func commitSnapshot(
        _ manifest: SnapshotManifest, volume: String, servesSlot: Bool = true
    ) throws {
        try write("recording snapshot \(manifest.id) of volume \(volume)") { database in
            let volumeID = try Self.volumeID(database, volume)
            try SnapshotWriter(database).commit(manifest, volume: volumeID)
            if servesSlot { try Self.noteSlot(database, of: manifest, volume: volume) }
            try database.execute(
                sql: "UPDATE volume SET snapshots_seen = max(snapshots_seen, ?) WHERE id = ?",
                arguments: [manifest.ordinal.rawValue, volumeID])
        }
    }

    /// Forgets a snapshot whose creation has failed. Its id stays burnt. Nothing happens when there
    /// is no such row, or when it has been committed.
    package func abandonSnapshot(_ id: SnapshotID) throws {
        try write("abandoning snapshot \(id)") {
            try $0.execute(
                sql: "DELETE FROM snapshot WHERE id = ? AND phase = 'creating'",
                arguments: [id.rawValue])
        }
    }

    /// Marks snapshots as deleted: all of them or, on an error, none. Marking twice is not an error.
    ///
    /// - Throws: `notFound`; `held` when a hold that has not expired keeps one of them.
    package func markDeleting(_ ids: [SnapshotID]) throws {
        let list = NumberList(ids)
        try write("marking snapshots as deleted") { database in
            try requireNotHeld(database, list)
            try Self.requireNotCloned(database, list)
            try Self.requireThere(database, list)
            try database.execute(
                sql: "UPDATE snapshot SET phase = 'deleting' WHERE id \(NumberList.isMember)",
                arguments: [list])
        }
    }

    /// - Throws: `notFound`, with the first that is not there or is still being created.
    private static func requireThere(_ database: Database, _ list: NumberList) throws {
        let missing = try Int64.fetchOne(
            database,
            sql: """
                SELECT value FROM json_each(?) WHERE NOT EXISTS
                    (SELECT 1 FROM snapshot WHERE id = value AND phase <> 'creating')
                ORDER BY key LIMIT 1
                """,
            arguments: [list])
        if let missing { throw CatalogError.noSnapshot("snapshot \(missing)") }
    }

    /// Forgets snapshots with their holds, and sets that lose their last member. Chunk maps stay:
    /// older snapshots may need them. Ids that are not there are no error.
    package func removeSnapshots(_ ids: [SnapshotID]) throws {
        let list = NumberList(ids)
        let condition = "id \(NumberList.isMember)"
        try write("removing snapshots") { database in
            try Self.removing(database, snapshotsWhere: condition, [list]) {
                try database.execute(
                    sql: "DELETE FROM snapshot WHERE \(condition)", arguments: [list])
            }
        }
    }

    /// Marks the volume's snapshots up to an ordinal, it included, as never to be served again.
    package func markBroken(volume: String, upTo ordinal: SnapshotOrdinal) throws {
        try write("marking snapshots of volume \(volume) as broken") { database in
            try Self.markBroken(
                database, volume: try Self.volumeID(database, volume), upTo: ordinal)
        }
    }

    /// The newest of the volume's snapshots that is marked as broken; nil when none is.
    package func brokenThrough(volume: String) throws -> SnapshotOrdinal? {
        try read("looking for broken snapshots of volume \(volume)") { database in
            try Int.fetchOne(
                database,
                sql: """
                    SELECT max(s.ordinal) FROM snapshot s
                    WHERE s.volume_id = (SELECT id FROM volume WHERE name = ?)
                        AND s.is_broken AND s.phase = 'present'
                    """,
                arguments: [volume]
            ).map { SnapshotOrdinal(rawValue: $0) }
        }
    }

    static func markBroken(
        _ database: Database, volume: Int64, upTo ordinal: SnapshotOrdinal
    ) throws {
        try database.execute(
            sql: """
                UPDATE snapshot SET is_broken = 1
                WHERE volume_id = ? AND ordinal > 0 AND ordinal <= ?
                """,
            arguments: [volume, ordinal.rawValue])
    }

    /// Remembers that the labels of a snapshot are about to be written anew in its store: until
    /// ``setLabels(_:_:)``, what that says counts, whatever cuts the command.
    package func beginLabelling(_ id: SnapshotID) throws {
        try write("beginning to label snapshot \(id)") { database in
            try database.execute(
                sql: """
                    UPDATE volume SET labelling = ?1
                    WHERE id = (SELECT volume_id FROM snapshot WHERE id = ?1)
                    """,
                arguments: [id.rawValue])
        }
    }

    /// Forgets that a snapshot's labels were being written anew: it is gone.
    package func endLabelling(volume: String) throws {
        try write("ending the labelling of volume \(volume)") { database in
            try database.execute(
                sql: "UPDATE volume SET labelling = NULL WHERE name = ?", arguments: [volume])
        }
    }

    /// Records what is written on a snapshot now. Nothing happens when it is gone.
    package func setLabels(_ id: SnapshotID, _ labels: SnapshotLabels) throws {
        try write("labelling snapshot \(id)") { database in
            try database.execute(
                sql: "UPDATE volume SET labelling = NULL WHERE labelling = ?",
                arguments: [id.rawValue])
            try database.execute(
                sql: """
                    UPDATE snapshot SET name = ?, note = ?, tags = ?,
                        consistency = COALESCE(?, consistency), store_bytes = NULL
                    WHERE id = ?
                    """,
                arguments: [
                    labels.name, labels.note,
                    try RowReader.column(labels.tags.isEmpty ? nil : labels.tags),
                    labels.consistency?.rawValue, id.rawValue,
                ])
        }
    }

    /// Records the computed sizes of a snapshot; nil is unknown.
    package func setSizes(_ id: SnapshotID, changedBytes: Int?, exclusiveBytes: Int?) throws {
        try setSizes([
            id: SnapshotSizes(changedBytes: changedBytes, exclusiveBytes: exclusiveBytes)
        ])
    }

    /// Records the computed sizes of many snapshots at once. Ids that are gone are skipped.
    package func setSizes(_ sizes: [SnapshotID: SnapshotSizes]) throws {
        try write("recording snapshot sizes") { database in
            let statement = try database.cachedStatement(
                sql: "UPDATE snapshot SET changed_bytes = ?, exclusive_bytes = ? WHERE id = ?")
            for (id, size) in sizes {
                try statement.execute(
                    arguments: [size.changedBytes, size.exclusiveBytes, id.rawValue])
            }
        }
    }

    private static func volumeBytes(_ database: Database, _ volume: String) throws -> Int {
        let bytes = try Int.fetchOne(
            database, sql: "SELECT volume_bytes FROM volume WHERE name = ?", arguments: [volume])
        guard let bytes else { throw CatalogError.noVolume(volume) }
        return bytes
    }

    private func requireNotHeld(_ database: Database, _ list: NumberList) throws {
        // CROSS JOIN, so that SQLite looks for each of the snapshots and not through all holds.
        let hold = try Row.map(
            database,
            sql: """
                SELECT snapshot_id, owner FROM json_each(?) CROSS JOIN hold ON snapshot_id = value
                WHERE until IS NULL OR until > ? ORDER BY key, owner LIMIT 1
                """,
            arguments: [list, now().stored]
        ) { (id: try $0.raw(SnapshotID.self), owner: try $0.value(String.self)) }.first
        guard let (id, owner) = hold else { return }
        throw CatalogError(
            .held, "snapshot \(id) is held by \(owner)",
            hint: "run \(.release(id, owner: owner))")
    }
}
