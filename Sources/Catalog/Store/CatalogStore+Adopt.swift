import GRDB
import SnapshotModel

extension CatalogStore {
    /// Puts what one store knows in the place of what the catalog has of that volume, in one
    /// transaction. Holds stay, on the snapshots that the store still has; so do events, and reverts
    /// that have ended, which no store remembers.
    ///
    /// - Throws: `duplicate` when another volume has the name, or one of the ids; then nothing has
    ///   changed.
    package func adopt(_ volume: RebuiltCatalog.Volume) throws {
        try write("taking over volume \(volume.row.record.name)") { database in
            let rebuilt = RebuiltCatalog(volumes: [volume])
            let floor = try Self.idFloor(database).merged(with: rebuilt.highestIDs)
            let uuid = volume.row.record.uuid
            let holds = try Row.fetchAll(
                database, sql: "SELECT hold.* FROM hold \(Self.joinVolume)", arguments: [uuid])
            let ended = try Self.endedReverts(database, uuid)
            try Self.removing(
                database, snapshotsWhere: "volume_id = (SELECT id FROM volume WHERE uuid = ?)",
                [uuid]
            ) {
                try database.execute(sql: "DELETE FROM volume WHERE uuid = ?", arguments: [uuid])
            }
            var volume = volume
            let known = Set(volume.reverts.map(\.id))
            volume.reverts += ended.filter { !known.contains($0.id) }
            try insertSets(database, rebuilt)
            try Self.insert(database, volume)
            for hold in holds { try Self.putBack(database, hold) }
            try Self.raiseIDFloor(database, to: floor)
        }
    }

    /// The number of a volume's snapshots that are not being made or deleted.
    ///
    /// - Throws: `notFound` when there is no such volume.
    package func snapshotCount(volume: String) throws -> Int {
        try read("counting the snapshots of volume \(volume)") { database in
            try Int.fetchOne(
                database,
                sql: "SELECT count(*) FROM snapshot WHERE volume_id = ? AND phase = 'present'",
                arguments: [try Self.volumeID(database, volume)]) ?? 0
        }
    }

    private static let joinVolume = """
        JOIN snapshot s ON s.id = hold.snapshot_id JOIN volume v ON v.id = s.volume_id
        WHERE v.uuid = ?
        """

    private static func endedReverts(_ database: Database, _ uuid: String) throws -> [RevertRow] {
        try reverts(database, where: "v.uuid = ? AND r.ended_at IS NOT NULL", [uuid])
    }

    private static func putBack(_ database: Database, _ hold: Row) throws {
        try database.execute(
            sql: """
                INSERT INTO hold (snapshot_id, owner, reason, held_at, until)
                SELECT id, ?, ?, ?, ? FROM snapshot WHERE id = ? AND phase = 'present'
                """,
            arguments: [
                hold["owner"], hold["reason"], hold["held_at"], hold["until"], hold["snapshot_id"],
            ])
    }
}
