internal import Catalog
internal import FileSystems
internal import SnapshotModel

/// Compares the files of two snapshots, or of a snapshot and the volume as it is. Either may be a clone, too.
package struct FileDiffService {
    let context: ManagerContext

    /// - Parameter to: nil for the volume as it is. A clone alone is the newer one of itself and the snapshot that it
    ///   began as.
    /// - Throws: `usage` when the two are of different volumes.
    package func diff(_ from: String, _ to: String?, partition: Int?) throws -> FileDiffReport {
        let access = FileAccess(context: context)
        let first = try access.point(from)
        if to == nil, let clone = first.clone {
            return try diff("\(clone.snapshotID)", from, partition: partition)
        }
        let to = to ?? "\(first.volume.record.name)@live"
        let second = try access.point(to)
        guard first.volume.record.name == second.volume.record.name else {
            throw Problem(
                .usage,
                "\(from) and \(to) are of different volumes, \(first.volume.record.name) and "
                    + "\(second.volume.record.name)", hint: "name two snapshots of the same volume")
        }
        for point in [first, second] { try access.prepare(point) }
        guard try !mustMount(first, second, partition) else {
            return try mountedDiff(first, second, partition) {
                FileDiffReport(from: from, to: to, $0)
            }
        }
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
            return FileDiffReport(from: from, to: to, diff)
        }
    }

    // MARK: By mounts

    private func mustMount(
        _ first: FilePoint, _ second: FilePoint, _ partition: Int?
    ) throws -> Bool {
        let access = FileAccess(context: context)
        return try context.withSession(first.volume) { session in
            let points = [first, second]
            guard try points.contains(where: { try access.mustMount($0, partition, session) })
            else { return false }
            // The volume as it is cannot be mounted here, and that is said.
            for point in points where point.target == nil {
                _ = try access.open(point, partition, session)
            }
            return true
        }
    }

    /// One is listed first, for some filesystems are not mounted beside another state of themselves.
    private func mountedDiff(
        _ first: FilePoint, _ second: FilePoint, _ partition: Int?,
        _ report: (FileDiff) -> FileDiffReport
    ) throws -> FileDiffReport {
        let (files, numbers, end) = (MountedFiles(context), NodeNumbers(), context.end)
        return try MountServer(context).keeping(first.volume) {
            let old = try files.withFileSystem(first, partition, numbers: numbers) { fileSystem in
                try ListedFileSystem(fileSystem) { () throws(Problem) in try end.check() }
            }
            return try files.withFileSystem(second, partition, numbers: numbers) { fileSystem in
                let diff = FileDiff(old, fileSystem, end: end) { _ in true }
                try diff.run()
                return report(diff)
            }
        }
    }
}
