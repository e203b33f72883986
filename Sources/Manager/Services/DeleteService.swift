internal import Catalog
internal import Control
package import SnapshotModel

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
    /// What deleting all of them frees, in bytes; more than the sum when they share chunks.
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
            "freed_bytes": JSONValue(freedBytes), "dry_run": JSONValue(isDryRun),
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
        let byVolume = Dictionary(grouping: rows.values, by: \.volume)
        return try Reconciler(context).withVolumes(Array(byVolume.keys)) { volumes in
            try requireNotHeld(rows.keys.sorted())
            var report = DeletionReport(items: [], freedBytes: 0, isDryRun: isDryRun)
            for volume in volumes {
                let members = (byVolume[volume.record.name] ?? []).sorted { $0.id < $1.id }
                let part = try delete(members, of: volume, isDryRun: isDryRun)
                report.items += part.items
                report.freedBytes += part.freedBytes
            }
            return report
        }
    }

    private func requireNotHeld(_ ids: [SnapshotID]) throws {
        for id in ids {
            guard let hold = try context.catalog.holds(snapshot: id).first(where: { !$0.isExpired })
            else { continue }
            throw Problem(
                .refused, "snapshot \(id) is held by \(hold.owner): \(hold.reason)",
                hint: "run `snapmgr release \(id) --owner \(hold.owner)`")
        }
    }

    private func delete(
        _ rows: [SnapshotRow], of volume: VolumeRow, isDryRun: Bool
    ) throws -> DeletionReport {
        let (ids, name) = (rows.map(\.id), volume.record.name)
        return try context.withSession(volume) { session in
            let deletion = Deletion(session: session, volume: name)
            // The preview also says what would be refused, before anything is marked.
            let freedBytes = try deletion.preview(ids)
            let items = try ids.map { id in
                DeletionReport.Item(
                    id: id, volume: name,
                    aloneBytes: ids.count == 1 ? freedBytes : try deletion.preview([id]))
            }
            let report = DeletionReport(items: items, freedBytes: freedBytes, isDryRun: isDryRun)
            guard !isDryRun else { return report }
            try context.cancellation.check()
            // Mark, free, forget: a crash in between is finished by the next command.
            try context.catalog.markDeleting(ids)
            let collected = try deletion.carryOut(ids)
            try context.catalog.removeSnapshots(ids)
            try AreaBookkeeper(context, volume).snapshotsDeleted(
                rows.map(\.ordinal), removedAreas: collected.removedAreas)
            try context.log(
                .snapshotsDeleted,
                "snapshots \(ids.map(\.description).joined(separator: ", ")) were deleted",
                volume: name, snapshot: ids.count == 1 ? ids.first : nil)
            return report
        }
    }
}

/// The steps of a deletion in one session.
struct Deletion {
    let session: any VolumeSession
    let volume: String

    /// The bytes that deleting these together frees.
    func preview(_ ids: [SnapshotID]) throws -> Int {
        guard case .deleted(let report) = try session.perform(.previewDelete(ids)) else {
            throw Problem.unexpectedReply(to: "a preview of a deletion", of: volume)
        }
        return report.freedBytes
    }

    /// Marks durably, then frees.
    func carryOut(_ ids: [SnapshotID]) throws -> CollectReport {
        guard case .deleted = try session.perform(.delete(ids)) else {
            throw Problem.unexpectedReply(to: "a deletion", of: volume)
        }
        return try collect()
    }

    /// Frees what no live snapshot needs.
    func collect() throws -> CollectReport {
        guard case .collected(let report) = try session.perform(.collect) else {
            throw Problem.unexpectedReply(to: "a collection", of: volume)
        }
        return report
    }
}
