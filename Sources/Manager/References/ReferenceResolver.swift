internal import System
internal import Catalog
internal import SnapshotModel

/// Finds what references name. An ambiguous one is an error that lists the candidates.
struct ReferenceResolver {
    let catalog: CatalogStore
    let clock: any Clock
    let timeZone: LocalZone

    init(_ context: ManagerContext) {
        catalog = context.catalog
        clock = context.clock
        timeZone = context.timeZone
    }

    /// What a reference names.
    enum Target {
        case snapshot(SnapshotRow)
        case set(SetRow, [SnapshotRow])
        case live(volume: String)
    }

    func target(_ text: String) throws -> Target {
        switch try SnapshotReference(text, zone: timeZone) {
        case .id(let id): return .snapshot(try snapshot(id, text))
        case .inVolume(let volume, .live):
            try requireVolume(volume)
            return .live(volume: volume)
        case .inVolume(let volume, let selector):
            try requireVolume(volume)
            return .snapshot(try snapshot(volume, selector, text))
        case .set(let id):
            guard let set = try catalog.set(id) else { throw Self.noSet(text) }
            return try members(of: set, text)
        case .setNamed(let name): return try members(of: try set(named: name, text), text)
        }
    }

    /// - Throws: `usage` when the reference names a set or the live volume.
    func snapshot(_ text: String) throws -> SnapshotRow {
        guard case .snapshot(let row) = try target(text) else {
            throw Problem(
                .usage, "`\(text)` is not a single snapshot",
                hint: "run \(.list()) and name one by its id")
        }
        return row
    }

    /// One snapshot, or all of a set.
    func snapshots(_ text: String) throws -> [SnapshotRow] {
        switch try target(text) {
        case .snapshot(let row): return [row]
        case .set(_, let rows): return rows
        case .live: return [try snapshot(text)]
        }
    }
}

extension ReferenceResolver {
    private func requireVolume(_ name: String) throws {
        guard try catalog.volume(named: name) != nil else { throw Problem.noVolume(name) }
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
            let time = clock.now().advanced(bySeconds: -seconds)
            found = try catalog.latestSnapshot(volume: volume, notAfter: time)
        case .notAfter(let time):
            found = try catalog.latestSnapshot(volume: volume, notAfter: time)
        }
        guard let found else { throw Problem.noSnapshot(text) }
        return found
    }

    private func snapshot(
        _ volume: String, named name: String, _ text: String
    ) throws -> SnapshotRow? {
        let rows = try catalog.snapshots(volume: volume, named: name)
        guard rows.count <= 1 else {
            throw Self.ambiguous(text, rows.map { "\($0.id) (\(describe($0.takenAt)))" })
        }
        return rows.first
    }

    private func set(named name: String, _ text: String) throws -> SetRow {
        let sets = try catalog.sets(named: name).filter { !$0.snapshots.isEmpty }
        guard sets.count <= 1 else {
            throw Self.ambiguous(text, sets.map { "set:\($0.id) (\(describe($0.createdAt)))" })
        }
        if let set = sets.first { return set }
        let isVolume = try catalog.volume(named: name) != nil
        guard isVolume else {
            let clones = try catalog.clones(named: name)
            throw ManagerContext.cloneProblem(text, "a snapshot", clones) ?? Self.noSet(text)
        }
        throw Problem(
            .usage, "`\(text)` is a volume, not a snapshot",
            hint: "write \(text)@latest, or run \(.list(text))")
    }

    private func members(of set: SetRow, _ text: String) throws -> Target {
        let rows = try catalog.snapshots(set: set.id).filter { $0.phase == .present }
        guard !rows.isEmpty else { throw Self.noSet(text) }
        return .set(set, rows)
    }

    private func describe(_ moment: Timestamp) -> String {
        TimeText.describe(moment, in: timeZone)
    }

    private static func noSet(_ text: String) -> Problem {
        Problem(
            .notFound, "there is no snapshot or set \(text)",
            hint: "run \(.list()) or \(.listSets) to see them")
    }

    private static func ambiguous(_ text: String, _ candidates: [String]) -> Problem {
        Problem(
            .ambiguous, "`\(text)` may be any of \(candidates.joined(separator: ", "))",
            hint: "name one of them by its id")
    }
}
