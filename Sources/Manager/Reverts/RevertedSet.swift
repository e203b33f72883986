internal import Catalog
internal import SnapshotModel

/// Refuses a set that is not what its name says: a revert in part, or of other volumes, would surprise.
struct RevertedSet {
    private let context: ManagerContext

    init(_ context: ManagerContext) { self.context = context }

    /// - Parameters:
    ///   - rows: the snapshots that the set still has.
    ///   - reference: how it was named.
    /// - Throws: `refused`.
    func require(_ set: SetRow, _ rows: [SnapshotRow], _ reference: String) throws {
        try requireWhole(set, rows)
        try requireVolumesOfTable(set, rows, reference)
    }

    private func requireWhole(_ set: SetRow, _ rows: [SnapshotRow]) throws {
        guard let uuids = rows.compactMap(\.manifest.setVolumes).first,
            Set(uuids).count > rows.count
        else { return }
        let known = try context.catalog.volumes().reduce(into: [:]) {
            $0[$1.record.uuid] = $1.record.name
        }
        let present = Set(rows.map(\.volume))
        let missing = uuids.map { known[$0] ?? $0 }.filter { !present.contains($0) }
        throw Problem(
            .refused,
            "set \(set.id) has no snapshot any more of \(missing.joined(separator: ", ")): "
                + "its volumes would not be as of one moment",
            hint: "name what is left one by one: \(Self.list(rows))")
    }

    private func requireVolumesOfTable(
        _ set: SetRow, _ rows: [SnapshotRow], _ reference: String
    ) throws {
        if case .set = try SnapshotReference(reference, zone: context.timeZone) { return }
        let volumes = rows.map(\.volume).sorted()
        guard let name = set.name, let group = (try? context.settings.get())?.groups[name],
            Set(group.volumes) != Set(volumes)
        else { return }
        throw Problem(
            .refused,
            "set \(set.id) was taken of \(volumes.joined(separator: ", ")), and the \(group.noun) "
                + "\(name) is \(group.volumes.joined(separator: ", ")) now",
            hint: "name it as set:\(set.id), if it is meant")
    }

    private static func list(_ rows: [SnapshotRow]) -> String {
        rows.map { "\($0.id) (\($0.volume))" }.joined(separator: ", ")
    }
}
