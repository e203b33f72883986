internal import Catalog
internal import SnapshotModel

/// What to list, and in which order.
package struct ListRequest: Hashable, Sendable {
    /// Empty is all.
    package var volumes: [String]
    /// A column's name, as in JSON; a leading `-` reverses the order. Nil is by time.
    package var sort: String?
    package var limit: Int?
    package var offset: Int
    /// Whether to tell what keeps each snapshot, and until when.
    package var tellsRetention: Bool

    package init(
        volumes: [String] = [], sort: String? = nil, limit: Int? = nil, offset: Int = 0,
        tellsRetention: Bool = false
    ) {
        self.tellsRetention = tellsRetention
        self.volumes = volumes
        self.sort = sort
        self.limit = limit
        self.offset = offset
    }
}

/// Lists snapshots and sets, a page at a time.
package struct ListService {
    let context: ManagerContext

    /// The first page is small, so that it shows at once; the later ones are large, because each
    /// costs SQLite a walk over those before.
    private static let pageCounts = (first: 200, later: 10_000)

    /// Hands out all that was asked for in pages, none of them empty.
    package func forEachPage(
        _ request: ListRequest, _ body: ([SnapshotSummary]) throws -> Void
    ) throws {
        var query = try self.query(request)
        try Reconciler(context).tidy(request.volumes)
        var rest = request.limit ?? .max
        var pageCount = Self.pageCounts.first
        let volumes = try context.catalog.volumes().reduce(into: [:]) { $0[$1.record.name] = $1 }
        let retention = request.tellsRetention ? RetentionLookup(context) : nil
        while rest > 0 {
            try context.end.check()
            query.limit = min(pageCount, rest)
            let rows = try context.catalog.snapshots(query: query)
            guard !rows.isEmpty else { return }
            try body(
                rows.map { row in
                    var summary = summary(of: row, volumes[row.volume])
                    summary.retention = retention?.retention(of: row.id, volume: row.volume)
                    return summary
                })
            guard rows.count == query.limit else { return }
            rest -= rows.count
            query.offset += rows.count
            pageCount = Self.pageCounts.later
        }
    }

    /// All sets that have snapshots, by id.
    package func sets() throws -> [SetSummary] {
        try Reconciler(context).tidy([])
        return try context.catalog.sets().compactMap { set in
            let members = try context.catalog.snapshots(set: set.id)
                .filter { $0.phase == .present }
            guard !members.isEmpty else { return nil }
            return SetSummary(
                id: set.id, name: set.name, createdAt: set.createdAt,
                snapshots: members.map(\.id), volumes: members.map(\.volume),
                heldNanoseconds: set.heldNanoseconds)
        }
    }

    /// The columns that a list can be sorted by.
    package static let sortColumns = SnapshotQuery.Order.allCases.map(\.rawValue)

    private func query(_ request: ListRequest) throws -> SnapshotQuery {
        let sort = request.sort ?? SnapshotQuery.Order.takenAt.rawValue
        let isDescending = sort.hasPrefix("-")
        let column = isDescending ? String(sort.dropFirst()) : sort
        guard let order = SnapshotQuery.Order(rawValue: column) else {
            throw Problem(
                .usage, "a list cannot be sorted by `\(column)`",
                hint: "choose one of \(Self.sortColumns.joined(separator: ", "))")
        }
        for name in request.volumes { _ = try context.volume(name) }
        return SnapshotQuery(
            volumes: request.volumes, order: order, isDescending: isDescending,
            offset: request.offset)
    }

    /// The newest snapshot's bytes still grow: they are counted now, when the store can be read.
    private func summary(of row: SnapshotRow, _ volume: VolumeRow?) -> SnapshotSummary {
        var summary = SnapshotSummary(row)
        if let volume, volume.snapshotsSeen == row.ordinal, row.phase == .present,
            row.state != .broken
        {
            summary.exclusiveBytes = try? AreaBookkeeper(context, volume)
                .exclusiveBytesOfNewest(row)
        }
        return summary
    }
}
