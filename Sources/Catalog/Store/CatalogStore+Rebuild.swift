import GRDB
import SnapshotModel

extension CatalogStore {
    /// Replaces the whole content, holds and events included, in one transaction. The highest ids
    /// that this catalog has given out stay burnt.
    ///
    /// - Throws: `duplicate` when two volumes, snapshots or reverts have the same identity; then
    ///   nothing has changed.
    package func replaceAll(with rebuilt: RebuiltCatalog) throws {
        try write("rebuilding") { database in
            let floor = try Self.idFloor(database).merged(with: rebuilt.highestIDs)
            // The rest goes with these. Deleting keeps SQLite's counters.
            for table in ["volume", "snapshot_set", "event"] {
                try database.execute(sql: "DELETE FROM \(table)")
            }
            try insertSets(database, rebuilt)
            for volume in rebuilt.volumes { try Self.insert(database, volume) }
            try Self.raiseIDFloor(database, to: floor)
        }
    }

    /// Makes the sets that manifests speak of, dated by their oldest member.
    func insertSets(_ database: Database, _ rebuilt: RebuiltCatalog) throws {
        for manifest in rebuilt.volumes.flatMap(\.manifests) {
            guard let id = manifest.setID else { continue }
            try database.cachedStatement(
                sql: """
                    INSERT INTO snapshot_set (id, name, created_at) VALUES (?, ?, ?)
                    ON CONFLICT (id) DO UPDATE SET
                        name = coalesce(name, excluded.name),
                        created_at = min(created_at, excluded.created_at)
                    """
            ).execute(arguments: [
                id.rawValue, manifest.setName, manifest.takenAt.stored,
            ])
        }
    }

    static func insert(_ database: Database, _ volume: RebuiltCatalog.Volume) throws {
        var row = volume.row
        row.snapshotsSeen = volume.manifests.map(\.ordinal).reduce(row.snapshotsSeen, max)
        let id = try insert(database, row)
        let writer = SnapshotWriter(database)
        for manifest in volume.manifests {
            try writer.insert(
                manifest, id: manifest.id, volume: id,
                phase: manifest.isDeleted ? .deleting : .present)
            try noteSlot(database, of: manifest, volume: row.record.name)
        }
        if let ordinal = volume.brokenUpTo { try markBroken(database, volume: id, upTo: ordinal) }
        for (ordinal, map) in volume.chunkMaps {
            try insert(
                database, ChunkSegment.segments(of: map), exceptions: map.count, volume: id,
                ordinal: ordinal)
        }
        for revert in volume.reverts {
            try insert(database, revert, id: revert.id, volume: id)
        }
        for clone in volume.clones { try insert(database, clone, volume: id) }
    }
}
