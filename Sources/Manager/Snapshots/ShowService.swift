internal import Catalog
internal import SnapshotModel
internal import StoreFormat
internal import Stream

/// Tells all about one snapshot.
package struct ShowService {
    let context: ManagerContext

    /// A set of several volumes, of which some may have no snapshot any more; nil when the reference names one
    /// snapshot.
    package func set(_ reference: String) throws -> SetDetails? {
        guard case .set(let set, let rows) = try ReferenceResolver(context).target(reference),
            rows.count > 1 || rows.first?.manifest.setVolumes?.count ?? 1 > 1
        else { return nil }
        try Reconciler(context).tidy(Set(rows.map(\.volume)).sorted())
        let present = Set(rows.map(\.volume))
        let wanted =
            try rows.compactMap(\.manifest.setVolumes).first.map { try names(ofVolumes: $0) } ?? []
        return SetDetails(
            set: SetSummary(
                id: set.id, name: set.name, createdAt: set.createdAt, snapshots: rows.map(\.id),
                volumes: rows.map(\.volume), heldNanoseconds: set.heldNanoseconds),
            snapshots: rows.map { SnapshotSummary($0) },
            missing: wanted.filter { !present.contains($0) },
            machines: try MachineStates(context).record(of: rows))
    }

    /// The names of volumes, by their UUIDs; those that are gone are named by these.
    private func names(ofVolumes uuids: [String]) throws -> [String] {
        let known = try context.catalog.volumes().reduce(into: [:]) {
            $0[$1.record.uuid] = $1.record.name
        }
        return uuids.map { known[$0] ?? $0 }
    }

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
            source: manifest?.source,
            machines: try MachineStates(context).record(of: [row] + members))
    }
}
