internal import Catalog
internal import SnapshotModel
internal import System

/// What to list, and in which order.
package struct ListRequest: Hashable, Sendable {
    /// Empty is all.
    package var volumes: [String]
    /// A column's name, as in JSON; a leading `-` reverses the order. Nil is by time.
    package var sort: String?
    /// At most so many: without `sort` and `offset` the newest, else the first of that order.
    package var limit: Int?
    /// How many to skip of the order; nil is none, and has `limit` alone mean the newest.
    package var offset: Int?
    package var filter: ListFilter
    /// Whether to tell what keeps each snapshot, and until when.
    package var tellsRetention: Bool

    package init(
        volumes: [String] = [], sort: String? = nil, limit: Int? = nil,
        offset: Int? = nil, filter: ListFilter = ListFilter(), tellsRetention: Bool = false
    ) {
        self.filter = filter
        self.tellsRetention = tellsRetention
        self.volumes = volumes
        self.sort = sort
        self.limit = limit
        self.offset = offset
    }
}

/// What listed snapshots must be like, all of it, in people's words.
package struct ListFilter: Hashable, Sendable {
    package var tags: [String]
    /// Of `*`, `?` and `[a-z]`.
    package var namePattern: String?
    package var kind: String?
    /// A time, or how long ago it was.
    package var since: String?
    package var until: String?

    package init(
        tags: [String] = [], namePattern: String? = nil, kind: String? = nil,
        since: String? = nil, until: String? = nil
    ) {
        self.tags = tags
        self.namePattern = namePattern
        self.kind = kind
        self.since = since
        self.until = until
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
        try Reconciler(context).tidy(query.setNames.isEmpty ? query.volumes : [])
        var rest = request.limit ?? .max
        var pageCount = Self.pageCounts.first
        let newest = request.sort == nil && request.offset == nil ? request.limit : nil
        if let newest, newest > Self.pageCounts.later {
            let count = try context.catalog.snapshotCount(query: query)
            query.offset = max(0, count.subtractingClamped(newest))
        } else if let newest {
            // One page from the other end, which is turned round.
            (pageCount, query.isDescending) = (newest, true)
        }
        let volumes = try context.catalog.volumes().reduce(into: [:]) { $0[$1.record.name] = $1 }
        let retention = request.tellsRetention ? RetentionLookup(context) : nil
        while rest > 0 {
            try context.end.check()
            query.limit = min(pageCount, rest)
            var rows = try context.catalog.snapshots(query: query)
            guard !rows.isEmpty else { return }
            if newest != nil, query.isDescending { rows.reverse() }
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

    /// All sets that have snapshots, by id: those of which one is in the request's volumes and has all that its
    /// filter asks for, but for the name, which is the set's. The limit means the newest.
    package func sets(_ request: ListRequest = ListRequest()) throws -> [SetSummary] {
        var query = try self.query(request)
        (query.filter.setNamePattern, query.filter.namePattern) = (query.filter.namePattern, nil)
        query.offset = 0
        try Reconciler(context).tidy([])
        let isPlain = request.filter == ListFilter() && request.volumes.isEmpty
        let ids =
            try isPlain
            ? nil : Set(context.catalog.snapshots(query: query).compactMap(\.manifest.setID))
        let sets = try context.catalog.sets().filter { ids?.contains($0.id) ?? true }
        let all = try summaries(of: sets)
        guard let offset = request.offset else { return all.suffix(request.limit ?? .max) }
        return Array(all.dropFirst(offset).prefix(request.limit ?? .max))
    }

    private func summaries(of sets: [SetRow]) throws -> [SetSummary] {
        try sets.compactMap { set in
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
                hint: Suggestion.hint(
                    for: column, among: Self.sortColumns,
                    else: "choose one of \(Self.sortColumns.joined(separator: ", "))"))
        }
        let objects = try self.objects(request.volumes)
        var query = SnapshotQuery(
            volumes: objects.volumes, filter: try filter(request.filter), order: order,
            isDescending: isDescending, offset: request.offset ?? 0)
        query.setNames = objects.sets
        return query
    }

    /// Whether sets are among what is named.
    package func namesSets(_ request: ListRequest) throws -> Bool {
        try !objects(request.volumes).sets.isEmpty
    }

    /// What names stand for: volumes, or sets, of which all are meant that have the name.
    private func objects(_ names: [String]) throws -> (volumes: [String], sets: [String]) {
        var found: (volumes: [String], sets: [String]) = ([], [])
        for name in names {
            if try context.catalog.volume(named: name) != nil {
                try context.requireUnambiguous(volume: name)
                found.volumes.append(name)
            } else if try context.isSet(name) {
                found.sets.append(name)
            } else {
                throw try context.cloneProblem(name, "a volume") ?? context.noObject(name)
            }
        }
        return found
    }

    private func filter(_ words: ListFilter) throws -> SnapshotQuery.Filter {
        var filter = SnapshotQuery.Filter()
        filter.tags = words.tags
        filter.namePattern = words.namePattern
        // No name is longer, and SQLite has a limit.
        guard words.namePattern?.utf8.count ?? 0 <= TextBounds.noteBytes else {
            throw Problem(.usage, "the pattern of names is too long")
        }
        filter.kind = try words.kind.map { word in
            guard let kind = SnapshotKind(rawValue: word) else {
                let kinds = SnapshotKind.allCases.map(\.rawValue).joined(separator: ", ")
                throw Problem(
                    .usage, "there is no kind `\(word)` of snapshots",
                    hint: Suggestion.hint(
                        for: word, among: SnapshotKind.allCases.map(\.rawValue),
                        else: "write one of \(kinds)"))
            }
            return kind
        }
        filter.since = try words.since.map(moment)
        filter.until = try words.until.map { text in
            let time = try moment(text)
            // Lists show whole seconds: one that is named reaches to its end.
            return time.fraction == 0 ? time.advanced(byNanoseconds: 999_999_999) : time
        }
        if let since = filter.since, let until = filter.until, since > until {
            throw Problem(
                .usage, "nothing lies between `\(words.since ?? "")` and `\(words.until ?? "")`",
                hint: "name the earlier moment with --since")
        }
        return filter
    }

    /// A moment, or how long ago it was.
    private func moment(_ text: String) throws -> Timestamp {
        let past = TimeText.durationSeconds(text).map {
            context.clock.now().advanced(bySeconds: -$0)
        }
        guard let moment = past ?? TimeText.moment(text, in: context.timeZone) else {
            throw Problem(
                .usage, "`\(text)` is neither a time nor a duration",
                hint: "write 2026-11-22T12:45 or 30d")
        }
        return moment
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
