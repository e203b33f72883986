internal import Catalog
internal import FileSystems
internal import SnapshotModel

/// Compares the files of two snapshots, or of a snapshot and the volume as it is.
package struct FileDiffService {
    let context: ManagerContext

    /// - Parameter to: nil for the volume as it is.
    /// - Throws: `usage` when the two are of different volumes.
    package func diff(_ from: String, _ to: String?, partition: Int?) throws -> FileDiffReport {
        let access = FileAccess(context: context)
        let first = try access.point(from)
        let to = to ?? "\(first.volume.record.name)@live"
        let second = try access.point(to)
        guard first.volume.record.name == second.volume.record.name else {
            throw Problem(
                .usage,
                "\(from) and \(to) are of different volumes, \(first.volume.record.name) and "
                    + "\(second.volume.record.name)", hint: "name two snapshots of the same volume")
        }
        for point in [first, second] { try access.prepare(point) }
        let changed = try DiffService(context: context).diff(from, to).ranges
        return try context.withSession(first.volume) { session in
            let (old, start) = try access.openPlaced(first, partition, session)
            let (new, newStart) = try access.openPlaced(second, partition, session)
            let diff = FileDiff(old, new, end: context.end) { range in
                // A partition that has moved has nothing in its place.
                guard start == newStart, !old.isMoved(range), !new.isMoved(range) else {
                    return true
                }
                let place = range.lowerBound + start..<range.upperBound + start
                let index = changed.lowestIndex { $0.upperBound > place.lowerBound }
                return index < changed.count && changed[index].lowerBound < place.upperBound
            }
            try diff.run()
            return FileDiffReport(from: from, to: to, changes: diff.changes, flaws: diff.flaws)
        }
    }
}
