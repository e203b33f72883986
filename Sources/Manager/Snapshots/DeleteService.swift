internal import Catalog
internal import Glibc
internal import System
package import SnapshotModel
internal import VolumeAccess

/// What deleting frees, or freed.
package struct DeletionReport: Hashable, Sendable {
    /// One snapshot that is deleted.
    package struct Item: Hashable, Sendable {
        package var id: SnapshotID
        package var volume: String
        /// What deleting it alone would free, in bytes.
        package var aloneBytes: Int
    }

    package var items: [Item]
    /// What the filesystem got back, in bytes; of a dry run, an estimate of it. More than the sum
    /// when they share chunks.
    package var freedBytes: Int
    package var isDryRun: Bool
}

extension DeletionReport: JSONConvertible {
    package var json: JSONValue {
        [
            "deleted": .array(
                items.map {
                    [
                        "id": JSONValue($0.id), "volume": JSONValue($0.volume),
                        "freed_alone_bytes": JSONValue($0.aloneBytes),
                    ]
                }),
            "freed_bytes": JSONValue(freedBytes), "estimated": JSONValue(isDryRun),
            "dry_run": JSONValue(isDryRun),
        ]
    }
}

/// Deletes snapshots and frees what only they needed.
package struct DeleteService {
    let context: ManagerContext

    package func delete(_ references: [String], isDryRun: Bool) throws -> DeletionReport {
        let resolver = ReferenceResolver(context)
        var rows: [SnapshotID: SnapshotRow] = [:]
        for reference in references {
            for row in try resolver.snapshots(reference) { rows[row.id] = row }
        }
        let chosen = Array(rows.values)
        ImageMounts(context).sweepQuietly()
        return try context.asJob(.delete, of: Set(chosen.map(\.volume)).sorted()) { context in
            try DeleteService(context: context).delete(chosen, isDryRun: isDryRun)
        }
    }

    /// So many go while their volumes are locked once; of more, the volumes are left to others in between.
    private static let togetherMaximum = 64

    private func delete(_ rows: [SnapshotRow], isDryRun: Bool) throws -> DeletionReport {
        let isMany = rows.count > Self.togetherMaximum
        let byVolume = Dictionary(grouping: rows, by: \.volume)
        var report = try deleteTogether(byVolume, isDryRun: isDryRun, onlyLooks: isMany)
        guard isMany, !isDryRun else { return report }
        var (freed, gone): (Int?, Int) = (0, 0)
        do {
            for (volume, rows) in byVolume.sorted(by: { $0.key < $1.key }) {
                let ids = rows.map(\.id).sorted()
                let turns = try deleteInTurns(ids, of: volume, onTurn: { gone += $0 })
                let bytes = turns.freedBytes
                freed = freed.flatMap { sum in bytes.map { sum + $0 } }
            }
        } catch {
            throw partly(gone, of: rows.count, Problem(error))
        }
        report.freedBytes = freed ?? report.freedBytes
        return report
    }

    /// Why not all were deleted, of which some are gone for good.
    private func partly(_ gone: Int, of count: Int, _ problem: Problem) -> Problem {
        guard gone > 0, problem.code != .interrupted else { return problem }
        return Problem(
            .partial, "\(gone) of \(count) snapshots were deleted, and no more: \(problem.message)",
            hint: problem.hint)
    }

    /// - Parameter onlyLooks: refuses what must be refused, and deletes nothing.
    private func deleteTogether(
        _ byVolume: [String: [SnapshotRow]], isDryRun: Bool, onlyLooks: Bool
    ) throws -> DeletionReport {
        try Reconciler(context).withVolumes(Array(byVolume.keys)) { volumes in
            try requireNotHeld(byVolume.values.joined().map(\.id))
            try MountHolds(context).requireUnmounted(byVolume.values.joined().map(\.id))
            try SendingHolds(context).requireUnsent(byVolume.values.joined().map(\.id))
            var parts: [Part] = []
            defer { for part in parts { part.session.close() } }
            // What one volume refuses is known before anything is deleted in another.
            for volume in volumes {
                _ = try context.reader(volume)
                let rows = (byVolume[volume.record.name] ?? []).sorted { $0.id < $1.id }
                try VolumeStandings(context).requireNoBase(rows.map(\.id), of: volume)
                parts.append(
                    Part(volume: volume, rows: rows, session: try context.openSession(volume)))
            }
            var report = DeletionReport(items: [], freedBytes: 0, isDryRun: isDryRun)
            for part in parts { try preview(part, in: &report) }
            guard !isDryRun, !onlyLooks else { return report }
            try context.end.check()
            var freed: Int? = 0
            for part in parts {
                let bytes = try delete(part)
                freed = freed.flatMap { sum in bytes.map { sum + $0 } }
            }
            report.freedBytes = freed ?? report.freedBytes
            return report
        }
    }

    /// How long the volume is left to others between two turns, in microseconds; more than a command
    /// takes to look again for the lock.
    private static let pauseMicroseconds: UInt32 = 40_000

    /// Deletes those of a volume's snapshots that are still there, some at a time: the volume is free in
    /// between, so that nobody waits for long.
    ///
    /// - Parameter spares: of which snapshots, as they are when it is their turn, stay after all, and whether
    ///   somebody reads them; what is held, or read, and does not, ends it.
    /// - Parameter onTurn: gets after each turn how many it was for.
    func deleteInTurns(
        _ ids: [SnapshotID], of volume: String,
        spares: (_ row: SnapshotRow, _ isOpen: Bool) -> Bool = { _, _ in false },
        onTurn: (Int) -> Void = { _ in }
    ) throws -> Turns {
        var turns = Turns()
        var (rest, pace): (ArraySlice<SnapshotID>, DeletionPace) = (ids[...], .init())
        while !rest.isEmpty {
            try context.end.check()
            let turn = Array(rest.prefix(pace.count))
            rest = rest.dropFirst(turn.count)
            // Once some are gone, whoever has taken the volume in between is waited for.
            let patience =
                turn.first == ids.first
                ? ManagerContext.lockPatienceMilliseconds
                : ManagerContext.slotPatienceMilliseconds
            let (bytes, nanoseconds) = try deletePresent(
                turn, of: volume, patienceMilliseconds: patience
            ) { row, isOpen in
                guard spares(row, isOpen) else { return false }
                turns.spared.insert(row.id)
                return true
            }
            onTurn(turn.count)
            turns.freedBytes = turns.freedBytes.flatMap { sum in bytes.map { sum + $0 } }
            pace.note(nanoseconds)
            context.tell(
                OperationProgress(
                    activity: .deleting, volume: volume,
                    amount: .count(done: ids.count - rest.count, total: ids.count)))
            if !rest.isEmpty { usleep(Self.pauseMicroseconds) }
        }
        return turns
    }

    /// What has come of a deletion in turns.
    struct Turns {
        /// What the filesystem got back; nil when a server of an older version did not measure it.
        var freedBytes: Int? = 0
        /// What was left, for it is not any more what it was when it was chosen.
        var spared: Set<SnapshotID> = []
    }

    /// - Returns: what was freed, if that was measured, and how long others had to wait, in nanoseconds.
    private func deletePresent(
        _ ids: [SnapshotID], of name: String, patienceMilliseconds: Int,
        _ spares: (SnapshotRow, Bool) -> Bool
    ) throws -> (freedBytes: Int?, nanoseconds: Int64) {
        try Reconciler(context).withVolume(name, patienceMilliseconds: patienceMilliseconds) {
            volume in
            let start = context.clock.monotonicNanoseconds()
            let freedBytes = try deletePresent(ids, of: volume, spares)
            let end = context.clock.monotonicNanoseconds()
            return (freedBytes, end.subtractingClamped(start))
        }
    }

    private func deletePresent(
        _ ids: [SnapshotID], of volume: VolumeRow, _ spares: (SnapshotRow, Bool) -> Bool
    ) throws -> Int? {
        let present = try context.catalog.snapshots(ids)
            .filter { $0.phase == .present && $0.volume == volume.record.name }
        guard !present.isEmpty else { return 0 }
        return try context.withSession(volume) { session in
            let open = try session.openSnapshots()
            let rows = present.filter { !spares($0, open.contains($0.id)) }
            guard !rows.isEmpty else { return 0 }
            try requireNotHeld(rows.filter { $0.holds > 0 }.map(\.id))
            try MountHolds(context).requireUnmounted(rows.map(\.id))
            try SendingHolds(context).requireUnsent(rows.map(\.id))
            try VolumeStandings(context).requireNoBase(rows.map(\.id), of: volume)
            let part = Part(volume: volume, rows: rows, session: session)
            // Throws what would be refused, before anything is marked.
            _ = try part.deletion.preview(part.ids)
            return try delete(part)
        }
    }

    /// The snapshots of one volume.
    private struct Part {
        var volume: VolumeRow
        var rows: [SnapshotRow]
        var session: any VolumeSession

        var ids: [SnapshotID] { rows.map(\.id) }
        var deletion: Deletion { Deletion(session: session, volume: volume.record.name) }
    }

    private func requireNotHeld(_ ids: [SnapshotID]) throws {
        guard !ids.isEmpty,
            let hold = try context.catalog.holds(snapshots: ids).first(where: { !$0.isExpired })
        else { return }
        throw Problem(
            .refused, "snapshot \(hold.snapshot) is held by \(hold.owner): \(hold.reason)",
            hint: "run \(.release(hold.snapshot, owner: hold.owner))")
    }

    /// Adds up what would be freed; throws what would be refused.
    private func preview(_ part: Part, in report: inout DeletionReport) throws {
        let (deletion, ids) = (part.deletion, part.ids)
        let freedBytes = try deletion.preview(ids)
        report.freedBytes += freedBytes
        report.items += try part.rows.map { row in
            // Of many, what the catalog knows; of the newest it does not.
            let aloneBytes =
                ids.count == 1
                ? freedBytes : try row.exclusiveBytes ?? deletion.preview([row.id])
            return DeletionReport.Item(
                id: row.id, volume: part.volume.record.name, aloneBytes: aloneBytes)
        }
    }

    /// Mark, free, forget: a crash in between is finished by the next command. Returns what was
    /// freed, if that was measured.
    private func delete(_ part: Part) throws -> Int? {
        let (ids, name) = (part.ids, part.volume.record.name)
        try context.catalog.markDeleting(ids)
        let collected = try part.deletion.carryOut(ids)
        let books = AreaBookkeeper(context, part.volume)
        let sizes = try books.sizesBeside(part.rows.map(\.ordinal))
        let extended = try books.extended(collected.removedAreas)
        try context.catalog.atomically("recording a deletion") {
            try context.catalog.removeSnapshots(ids)
            try books.snapshotsDeleted(sizes, removedAreas: collected.removedAreas, extended)
            try context.log(
                .snapshotsDeleted,
                "snapshots \(ids.map(\.description).joined(separator: ", ")) were deleted",
                volume: name, snapshot: ids.count == 1 ? ids.first : nil)
        }
        // What belongs to them alone. Best effort: the next deletion or set does it again.
        try? MachineStates(context).sweep(part.volume)
        return collected.freedBytes
    }
}

/// The steps of a deletion in one session.
struct Deletion {
    let session: any VolumeSession
    let volume: String

    /// The bytes that deleting these together frees.
    func preview(_ ids: [SnapshotID]) throws -> Int {
        try session.previewDelete(ids).freedBytes
    }

    /// Marks durably, then frees.
    func carryOut(_ ids: [SnapshotID]) throws -> CollectReport {
        _ = try session.delete(ids)
        return try collect()
    }

    /// Frees what no live snapshot needs.
    func collect() throws -> CollectReport { try session.collect() }
}
