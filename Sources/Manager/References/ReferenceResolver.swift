internal import System
internal import Catalog
internal import SnapshotModel

/// Finds what references name. An ambiguous one is an error that lists the candidates.
struct ReferenceResolver {
    private let context: ManagerContext

    init(_ context: ManagerContext) { self.context = context }

    private var catalog: CatalogStore { context.catalog }

    /// What a reference names.
    enum Target {
        case snapshot(SnapshotRow)
        case set(SetRow, [SnapshotRow])
        case live(volume: String)
        /// The volumes of a set, as they read now.
        case liveSet(volumes: [String])
    }

    func target(_ text: String) throws -> Target {
        switch try SnapshotReference(text, zone: context.timeZone) {
        case .id(let id): return .snapshot(try snapshot(id, text))
        case .inVolume(let name, let selector):
            guard try isVolume(name, text) else { return try set(name, selector, text) }
            guard selector != .live else { return .live(volume: name) }
            return .snapshot(try snapshot(name, selector, text))
        case .inSet(let name, let selector):
            guard try context.isSet(name) else { throw noSet(name) }
            return try set(name, selector, text)
        case .set(let id):
            guard let set = try catalog.set(id) else { throw noSet(text) }
            return try members(of: set, text)
        case .setNamed(let name): return try members(of: try set(named: name, text), text)
        }
    }

    /// - Throws: `usage` when the reference names a set of several snapshots or the live volume.
    func snapshot(_ text: String) throws -> SnapshotRow {
        switch try target(text) {
        case .snapshot(let row): return row
        case .set(_, let rows):
            // What is left of a larger set is not what its name says.
            guard rows.count == 1, let row = rows.first,
                row.manifest.setVolumes?.count ?? 1 <= 1
            else {
                let names = rows.map { "\($0.id) (\($0.volume))" }.joined(separator: ", ")
                throw Problem(
                    .usage, "`\(text)` is a set, and not a single snapshot",
                    hint: "name one of its snapshots: \(names)")
            }
            return row
        case .live, .liveSet:
            throw Problem(
                .usage, "`\(text)` is not a single snapshot",
                hint: "run \(.list()) and name one by its id")
        }
    }

    /// One snapshot, or all of a set.
    func snapshots(_ text: String) throws -> [SnapshotRow] {
        switch try target(text) {
        case .snapshot(let row): return [row]
        case .set(_, let rows): return rows
        case .live, .liveSet: return [try snapshot(text)]
        }
    }
}

// MARK: - In a volume

extension ReferenceResolver {
    /// Whether a name is a volume's; else it is a set's.
    private func isVolume(_ name: String, _ text: String) throws -> Bool {
        guard try catalog.volume(named: name) == nil else {
            try context.requireUnambiguous(volume: name)
            return true
        }
        guard try context.isSet(name) else {
            throw context.noObject(name, rest: String(text.dropFirst(name.count)))
        }
        return false
    }

    private func snapshot(_ id: SnapshotID, _ text: String) throws -> SnapshotRow {
        guard let row = try catalog.snapshot(id), row.phase == .present else {
            throw Problem.noSnapshot(text)
        }
        return row
    }

    private func snapshot(
        _ volume: String, _ selector: SnapshotReference.Selector, _ text: String
    ) throws -> SnapshotRow {
        let found: SnapshotRow?
        switch selector {
        case .id(let id):
            found = try snapshot(id, text)
            guard found?.volume == volume else { throw Problem.noSnapshot(text) }
        case .name(let name): found = try snapshot(volume, named: name, text)
        case .latest, .live: found = try catalog.latestSnapshot(volume: volume)
        case .olderThan(let seconds):
            found = try catalog.latestSnapshot(volume: volume, notAfter: moment(seconds))
        case .notAfter(let time):
            found = try catalog.latestSnapshot(volume: volume, notAfter: time)
        }
        guard let found else { throw Problem.noSnapshot(text) }
        return found
    }

    private func snapshot(
        _ volume: String, named name: String, _ text: String
    ) throws -> SnapshotRow {
        let rows = try catalog.snapshots(volume: volume, named: name)
        guard rows.count <= 1 else {
            throw ambiguous(text, rows.map { "\($0.id) (\(describe($0.takenAt)))" })
        }
        guard let row = rows.first else {
            throw context.noSnapshot(
                volume, named: name, known: try catalog.snapshotNames(volume: volume))
        }
        return row
    }

    /// So many seconds ago.
    private func moment(_ seconds: Int64) -> Timestamp {
        context.clock.now().advanced(bySeconds: -seconds)
    }

    private func describe(_ moment: Timestamp) -> String {
        TimeText.describe(moment, in: context.timeZone)
    }

    private func ambiguous(
        _ text: String, _ candidates: [String], hint: Advice = "name one of them by its id"
    ) -> Problem {
        Problem(
            .ambiguous, "`\(text)` may be any of \(candidates.joined(separator: ", "))", hint: hint)
    }
}

// MARK: - Sets

extension ReferenceResolver {
    /// How many candidates a message lists.
    private static let candidateCount = 5

    /// One of the sets of a name. Of those that are chosen by time, only whole ones count.
    private func set(
        _ name: String, _ selector: SnapshotReference.Selector, _ text: String
    ) throws -> Target {
        let found: SetRow?
        switch selector {
        case .id(let id):
            throw Problem(
                .usage, "`\(text)` could be snapshot \(id) or set:\(id)",
                hint: "write \(id) or set:\(id)")
        case .name(let word): found = try set(name, withSnapshotNamed: word, text)
        case .latest: found = try catalog.latestWholeSet(named: name, notAfter: nil)
        case .olderThan(let seconds):
            found = try catalog.latestWholeSet(named: name, notAfter: moment(seconds))
        case .notAfter(let time): found = try catalog.latestWholeSet(named: name, notAfter: time)
        case .live: return .liveSet(volumes: try volumes(ofSet: name, text))
        }
        guard let found else { throw noSnapshotOfSet(name, text) }
        return try members(of: found, text)
    }

    private func set(
        _ name: String, withSnapshotNamed word: String, _ text: String
    ) throws -> SetRow {
        let sets = try catalog.sets(named: name, withSnapshotNamed: word)
        guard sets.count <= 1 else { throw ambiguous(text, candidates(sets)) }
        guard let set = sets.first else {
            throw context.noSnapshot(
                name, named: word, known: try catalog.snapshotNames(set: name))
        }
        return set
    }

    private func volumes(ofSet name: String, _ text: String) throws -> [String] {
        if let group = try context.settings.get().groups[name] { return group.volumes }
        guard let set = try catalog.latestWholeSet(named: name, notAfter: nil) else {
            throw noSnapshotOfSet(name, text)
        }
        return try catalog.snapshots(set: set.id).map(\.volume)
    }

    /// A name alone means the only set that has it.
    private func set(named name: String, _ text: String) throws -> SetRow {
        let sets = try catalog.newestSets(named: name, limit: Self.candidateCount)
        guard sets.count <= 1 else {
            throw ambiguous(
                text, candidates(sets),
                hint:
                    "name one of them so; \(name)@latest is the newest, \(name)@2h the newest that is "
                    + "2 hours old")
        }
        if let set = sets.first { return set }
        if try catalog.volume(named: name) != nil {
            throw Problem(
                .usage, "`\(text)` is a volume, not a snapshot",
                hint: "write \(text)@latest, or run \(.list(text))")
        }
        if (try? context.settings.get())?.groups[name] != nil { throw noSnapshotOfSet(name, text) }
        let clones = try catalog.clones(named: name)
        throw ManagerContext.cloneProblem(text, "a snapshot", clones) ?? noSet(text)
    }

    private func candidates(_ sets: [SetRow]) -> [String] {
        sets.map { "set:\($0.id) (\(describe($0.createdAt)))" }
    }

    private func members(of set: SetRow, _ text: String) throws -> Target {
        let rows = try catalog.snapshots(set: set.id).filter { $0.phase == .present }
        guard !rows.isEmpty else { throw noSet(text) }
        return .set(set, rows)
    }

    private func noSnapshotOfSet(_ name: String, _ text: String) -> Problem {
        Problem(
            .notFound, "set \(name) has no snapshots that \(text) could mean",
            hint: "run \(.list(name)) to see them, or take some: \(.snapshot(name))")
    }

    private func noSet(_ text: String) -> Problem {
        let names =
            ((try? catalog.setNames()) ?? []) + ((try? catalog.volumes()) ?? []).map(\.record.name)
        return Problem(
            .notFound, "there is no snapshot or set \(text)",
            hint: Suggestion.hint(
                for: text, among: names, else: "run \(.list()) or \(.listSets) to see them"))
    }
}
