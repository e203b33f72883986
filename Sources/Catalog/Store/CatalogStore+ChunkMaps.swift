import FoundationEssentials
import GRDB
package import SnapshotModel

// The chunk maps of frozen areas, by volume and ordinal.
extension CatalogStore {
    /// Records the chunk map of a frozen area, in place of what was there.
    ///
    /// - Throws: `notFound` when there is no such volume; so do the others.
    package func storeChunkMap(
        _ map: ChunkMap, volume: String, ordinal: SnapshotOrdinal
    ) throws {
        // Encoded before the transaction begins: it is the slow half, and needs no lock.
        let segments = try ChunkSegment.segments(of: map)
        try write("recording chunk map \(ordinal) of volume \(volume)") { database in
            let volumeID = try Self.volumeID(database, volume)
            try Self.deleteChunkMaps(database, volumeID, ordinal...ordinal)
            try Self.insert(
                database, segments, exceptions: map.count, volume: volumeID, ordinal: ordinal)
        }
    }

    /// The chunk map of an area; nil when it is not recorded.
    ///
    /// - Throws: `corrupt` when what is recorded is damaged.
    package func chunkMap(volume: String, ordinal: SnapshotOrdinal) throws -> ChunkMap? {
        try chunkMaps(volume: volume, ordinals: ordinal...ordinal)[ordinal]
    }

    /// The chunk maps that are recorded for a range of areas.
    package func chunkMaps(
        volume: String, ordinals: ClosedRange<SnapshotOrdinal>
    ) throws -> [SnapshotOrdinal: ChunkMap] {
        let stored = try read("reading the chunk maps of volume \(volume)") { database in
            try Self.storedMaps(
                database, where: "volume_id = ? AND ordinal BETWEEN ? AND ?",
                [
                    try Self.volumeID(database, volume), ordinals.lowerBound.rawValue,
                    ordinals.upperBound.rawValue,
                ])
        }
        return try stored.reduce(into: [:]) { maps, stored in
            maps[stored.ordinal] = try stored.map()
        }
    }

    /// The ordinals of the areas whose chunk maps are recorded, ascending.
    package func chunkMapOrdinals(volume: String) throws -> [SnapshotOrdinal] {
        try read("listing the chunk maps of volume \(volume)") { database in
            try Row.map(
                database,
                sql: "SELECT ordinal FROM chunk_map WHERE volume_id = ? ORDER BY ordinal",
                arguments: [try Self.volumeID(database, volume)]
            ) { try $0.raw() }
        }
    }

    /// Whether the chunk map of an area is recorded: it has grown for the last time then.
    package func hasChunkMap(volume: String, ordinal: SnapshotOrdinal) throws -> Bool {
        try read("looking for a chunk map of volume \(volume)") { database in
            try Bool.fetchOne(
                database,
                sql: "SELECT EXISTS (SELECT 1 FROM chunk_map WHERE volume_id = ? AND ordinal = ?)",
                arguments: [try Self.volumeID(database, volume), ordinal.rawValue]) ?? false
        }
    }

    /// Forgets the chunk map of an area that is gone. Without one, nothing happens.
    package func removeChunkMap(volume: String, ordinal: SnapshotOrdinal) throws {
        try removeChunkMaps(volume: volume, ordinals: [ordinal])
    }

    /// As ``removeChunkMap(volume:ordinal:)``, of many at once, and of areas that became others: what they
    /// occupy is to be counted anew.
    package func removeChunkMaps(volume: String, ordinals: [SnapshotOrdinal]) throws {
        let list = NumberList(ordinals.map { Int64($0.rawValue) })
        try write("removing chunk maps of volume \(volume)") { database in
            try database.execute(
                sql: "DELETE FROM chunk_map WHERE volume_id = ? AND ordinal \(NumberList.isMember)",
                arguments: [try Self.volumeID(database, volume), list])
            try database.execute(
                sql: """
                    UPDATE snapshot SET store_bytes = NULL
                    WHERE volume_id = ? AND ordinal \(NumberList.isMember)
                    """,
                arguments: [try Self.volumeID(database, volume), list])
        }
    }

    /// Forgets the chunk maps of a range of areas.
    package func removeChunkMaps(
        volume: String, ordinals: ClosedRange<SnapshotOrdinal>
    ) throws {
        try write("removing chunk maps of volume \(volume)") {
            try Self.deleteChunkMaps($0, try Self.volumeID($0, volume), ordinals)
        }
    }

    static func insert(
        _ database: Database, _ segments: [ChunkSegment], exceptions: Int, volume: Int64,
        ordinal: SnapshotOrdinal
    ) throws {
        try database.cachedStatement(
            sql: """
                INSERT INTO chunk_map (volume_id, ordinal, exceptions, segments)
                VALUES (?, ?, ?, ?)
                """
        ).execute(arguments: [volume, ordinal.rawValue, exceptions, segments.count])
        let map = database.lastInsertedRowID
        let statement = try database.cachedStatement(
            sql: "INSERT INTO chunk_segment (map_id, segment, runs) VALUES (?, ?, ?)")
        for segment in segments {
            try statement.execute(arguments: [map, segment.number, Data(segment.bytes)])
        }
    }

    private static func deleteChunkMaps(
        _ database: Database, _ volume: Int64, _ ordinals: ClosedRange<SnapshotOrdinal>
    ) throws {
        try database.execute(
            sql: "DELETE FROM chunk_map WHERE volume_id = ? AND ordinal BETWEEN ? AND ?",
            arguments: [volume, ordinals.lowerBound.rawValue, ordinals.upperBound.rawValue])
    }

    /// Undecoded maps with their segments, ascending by ordinal.
    static func storedMaps(
        _ database: Database, where condition: String, _ arguments: StatementArguments
    ) throws -> [StoredChunkMap] {
        var maps: [StoredChunkMap] = []
        var last: Int64?
        // One statement for all: a long stretch of a chain has many.
        let cursor = try Row.fetchCursor(
            database.cachedStatement(
                sql: """
                    SELECT id, volume_id, ordinal, exceptions, segments, segment, runs
                    FROM chunk_map LEFT JOIN chunk_segment ON map_id = id
                    WHERE \(condition) ORDER BY ordinal, segment
                    """), arguments: arguments)
        while let row = try cursor.next() {
            var reader = RowReader(row)
            let id = try reader.value(Int64.self)
            let map = StoredChunkMap(
                volume: try reader.value(), ordinal: try reader.raw(),
                exceptions: try reader.size(), segmentCount: try reader.size())
            if last != id { maps.append(map) }
            last = id
            guard let number = try reader.optional(Int.self) else { continue }
            maps[maps.count - 1].segments.append(
                ChunkSegment(number: number, bytes: [UInt8](try reader.value(Data.self))))
        }
        return maps
    }
}

/// A chunk map as the tables hold it.
struct StoredChunkMap {
    var volume: Int64
    var ordinal: SnapshotOrdinal
    var exceptions: Int
    var segmentCount: Int
    var segments: [ChunkSegment] = []

    /// - Throws: `corrupt` when a segment is damaged or missing.
    func map() throws -> ChunkMap {
        var map = ChunkMap()
        for segment in segments {
            for run in try segment.runs() where !map.append(run) {
                throw ChunkRunCodec.corrupt("two of its runs overlap")
            }
        }
        guard segments.count == segmentCount, map.count == exceptions else {
            throw ChunkRunCodec.corrupt("a part of map \(ordinal) is missing")
        }
        return map
    }
}
