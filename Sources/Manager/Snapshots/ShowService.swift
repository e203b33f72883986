internal import Catalog
internal import SnapshotModel
internal import StoreFormat
internal import Stream

/// Tells all about one snapshot.
package struct ShowService {
    let context: ManagerContext

    package func show(_ reference: String) throws -> SnapshotDetails {
        let row = try ReferenceResolver(context).snapshot(reference)
        try Reconciler(context).tidy([row.volume])
        let volume = try context.volume(row.volume)
        let books = AreaBookkeeper(context, volume)
        var summary = SnapshotSummary(try context.catalog.snapshot(row.id) ?? row)
        if volume.snapshotsSeen == row.ordinal, row.state != .broken {
            summary.exclusiveBytes = try? books.exclusiveBytesOfNewest(row)
        }
        summary.retention = RetentionLookup(context).retention(of: row.id, volume: row.volume)
        // Only the store has what the catalog is not asked for.
        let manifest = try? context.reader(volume).manifest(row.ordinal)
        let members = try row.setID.map { try context.catalog.snapshots(set: $0) } ?? []
        return SnapshotDetails(
            summary: summary,
            previous: try books.live(.older, than: row.ordinal)?.id,
            next: try books.live(.newer, than: row.ordinal)?.id,
            setMembers: members.filter { $0.id != row.id && $0.phase == .present }
                .map { SnapshotSummary($0) },
            holds: try context.catalog.holds(snapshot: row.id).map { HoldSummary($0) },
            clones: try context.catalog.clones(snapshot: row.id).map(\.record.name),
            uuid: try manifest.map { try SnapshotIdentity.uuid(of: $0, in: volume.record.uuid) },
            source: manifest?.source)
    }
}
