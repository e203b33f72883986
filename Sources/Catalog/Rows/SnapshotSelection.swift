import GRDB
import SnapshotModel

/// One SELECT of snapshot rows: conditions with their arguments, an order, a page.
struct SnapshotSelection {
    private var conditions: [String] = []
    private var arguments: [any DatabaseValueConvertible] = []
    private var order = "s.id"
    private var limit = -1
    private var offset = 0

    init() {}

    /// - Throws: `notFound` when the query names a volume that the catalog does not have.
    init(_ query: SnapshotQuery, _ database: Database) throws {
        // Both mean the same. The first lets SQLite use the index of ordinals, which it would
        // otherwise prefer to better ones.
        require(query.order == .ordinal ? "s.ordinal > 0" : "s.phase <> 'creating'")
        let ids = try query.volumes.map { try CatalogStore.volumeID(database, $0) }
        if !query.setNames.isEmpty {
            let sets =
                "s.set_id IN (SELECT id FROM snapshot_set WHERE name IN (\(Self.places(query.setNames))))"
            var values: [any DatabaseValueConvertible] = ids
            values.append(contentsOf: query.setNames.map { $0 as any DatabaseValueConvertible })
            require("(s.volume_id IN (\(Self.places(ids))) OR \(sets))", values)
        } else if !ids.isEmpty {
            require(
                ids.count == 1 ? "s.volume_id = ?" : "s.volume_id IN (\(Self.places(ids)))", ids)
        }
        if let name = query.name { require("s.name = ?", [name]) }
        if let set = query.set { require("s.set_id = ?", [set.rawValue]) }
        require(query.filter)
        let direction = query.isDescending ? "DESC" : "ASC"
        order(by: query.order.terms.map { "\($0) \(direction)" }.joined(separator: ", "))
        page(limit: query.limit, offset: query.offset)
    }

    private static func places(_ values: [some Any]) -> String {
        values.map { _ in "?" }.joined(separator: ", ")
    }

    mutating func require(_ condition: String, _ values: [any DatabaseValueConvertible] = []) {
        conditions.append(condition)
        arguments += values
    }

    private mutating func require(_ filter: SnapshotQuery.Filter) {
        for tag in filter.tags {
            require("EXISTS (SELECT 1 FROM json_each(s.tags) WHERE value = ?)", [tag])
        }
        if let pattern = filter.namePattern { require("s.name GLOB ?", [pattern]) }
        if let pattern = filter.setNamePattern {
            require("s.set_id IN (SELECT id FROM snapshot_set WHERE name GLOB ?)", [pattern])
        }
        if let kind = filter.kind { require("s.kind = ?", [kind.rawValue]) }
        if let since = filter.since { require("s.taken_at >= ?", [since.stored]) }
        if let until = filter.until { require("s.taken_at <= ?", [until.stored]) }
    }

    mutating func order(by terms: String) { order = terms }

    mutating func page(limit: Int?, offset: Int = 0) {
        // SQLite reads a negative limit as none.
        self.limit = limit.map { max(0, $0) } ?? -1
        self.offset = max(0, offset)
    }

    func rows(_ database: Database, at now: Timestamp) throws -> [SnapshotRow] {
        var sets: [String: [String]] = [:]
        return try Row.map(database, sql: sql, arguments: [now.stored] + pageArguments) {
            try SnapshotRow(&$0, sets: &sets)
        }
    }

    /// How many there are beyond all pages.
    func count(_ database: Database) throws -> Int {
        try Int.fetchOne(
            database, sql: "SELECT count(*) FROM snapshot s WHERE \(condition)",
            arguments: StatementArguments(arguments)) ?? 0
    }

    private var condition: String {
        conditions.isEmpty ? "1" : conditions.joined(separator: " AND ")
    }

    /// How SQLite would find the page, a step per line.
    func plan(_ database: Database) throws -> [String] {
        try Row.fetchAll(
            database, sql: "EXPLAIN QUERY PLAN \(pageSQL)",
            arguments: pageArguments
        ).map { row in row["detail"] }
    }

    private var pageArguments: StatementArguments {
        StatementArguments(arguments) + [limit, offset]
    }

    /// Finds the page first: what is skipped or sorted away then costs an id, not a row.
    private var pageSQL: String {
        """
        SELECT s.id FROM snapshot s LEFT JOIN volume v ON v.id = s.volume_id
        WHERE \(condition)
        ORDER BY \(order) LIMIT ? OFFSET ?
        """
    }

    private var sql: String {
        """
        SELECT s.id, s.ordinal, s.taken_at, s.volume_bytes, s.kind, s.consistency, s.name,
            s.set_id, g.name, coalesce(s.set_volumes, g.volumes) AS set_volumes,
            s.schedule, s.slot, s.tags, s.note, s.revert_id,
            s.floor_snapshot, s.floor_set, s.floor_revert,
            v.name, s.phase, s.is_broken, s.changed_bytes, s.exclusive_bytes,
            s.ordinal = v.snapshots_seen,
            EXISTS (SELECT 1 FROM revert r
                WHERE r.snapshot_id = s.id AND r.ended_at IS NULL AND r.state IS NOT NULL),
            (SELECT count(*) FROM hold h
                WHERE h.snapshot_id = s.id AND (h.until IS NULL OR h.until > ?))
        FROM (\(pageSQL)) page CROSS JOIN snapshot s ON s.id = page.id
            JOIN volume v ON v.id = s.volume_id
            LEFT JOIN snapshot_set g ON g.id = s.set_id
        ORDER BY \(order)
        """
    }
}

extension SnapshotQuery.Order {
    fileprivate var terms: [String] {
        switch self {
        case .id: ["s.id"]
        case .volume: ["v.name", "s.taken_at", "s.id"]
        case .ordinal: ["s.ordinal", "s.id"]
        case .takenAt: ["s.taken_at", "s.id"]
        case .name: ["s.name", "s.id"]
        case .kind: ["s.kind", "s.id"]
        case .schedule: ["s.schedule", "s.id"]
        case .changedBytes: ["s.changed_bytes", "s.id"]
        case .exclusiveBytes: ["s.exclusive_bytes", "s.id"]
        }
    }
}

extension SnapshotRow {
    /// Reads the columns of ``SnapshotSelection`` in their order.
    ///
    /// - Parameter sets: the volumes of sets as they were found in rows before, by their columns.
    fileprivate init(_ reader: inout RowReader, sets: inout [String: [String]]) throws {
        let (id, ordinal): (SnapshotID, SnapshotOrdinal) = (try reader.raw(), try reader.raw())
        let (takenAt, volumeBytes) = (try reader.timestamp(), try reader.size())
        let description = SnapshotDescription(
            kind: try reader.raw(), consistency: try reader.raw(), name: try reader.optional(),
            setID: try reader.optionalRaw(), setName: try reader.optional(),
            setVolumes: try reader.words(sharing: &sets), schedule: try reader.optional(),
            slot: try reader.optionalTimestamp(), tags: try reader.words() ?? [],
            note: try reader.optional(),
            revertID: try reader.optionalRaw(), idFloor: try reader.idFloor())
        volume = try reader.value()
        phase = try reader.raw()
        let isBroken = try reader.value(Bool.self)
        changedBytes = try reader.optionalSize()
        exclusiveBytes = try reader.optionalSize()
        let isNewest = try reader.value(Bool.self)
        let isMerging = try reader.value(Bool.self)
        holds = try reader.size()
        manifest = SnapshotManifest(
            ordinal: ordinal, id: id, volumeBytes: volumeBytes, takenAt: takenAt,
            description: description, isDeleted: phase == .deleting)
        state =
            switch (phase, isBroken) {
            case (.deleting, _): .deleting
            case (_, true): .broken
            case _ where isMerging: .merging
            case _: isNewest ? .active : .frozen
            }
    }
}
