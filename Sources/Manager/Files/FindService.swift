internal import Catalog
internal import FileSystems
internal import SnapshotModel

/// Finds in which snapshots of a volume files differ.
package struct FindService {
    let context: ManagerContext

    /// So often the snapshots are gone through, when some are deleted meanwhile.
    private static let attemptsMaximum = 3

    /// - Parameters:
    ///   - pattern: of paths.
    ///   - isWhole: whether each snapshot is told, and not only those in which something differs from the
    ///   one before.
    /// - Throws: `notFound` when nothing fits in any snapshot.
    package func find(
        _ volume: String, _ pattern: String, isWhole: Bool, partition: Int?
    ) throws -> FindReport {
        _ = try NodePath(argument: pattern)
        let row = try context.volume(volume)
        try Reconciler(context).tidy([volume])
        var attempts = 0
        while true {
            attempts += 1
            let rows = try readable(row)
            let report = Result { try find(row, rows, pattern, isWhole: isWhole, partition) }
            // What was deleted meanwhile may have been read in part.
            let isSteady = try Set(readable(row).map(\.id)).isSuperset(of: rows.map(\.id))
            if isSteady || attempts >= Self.attemptsMaximum {
                return try checked(report.get(), pattern)
            }
            try context.end.check()
        }
    }

    private func readable(_ volume: VolumeRow) throws -> [SnapshotRow] {
        try context.catalog.readableSnapshots(of: volume.record.name)
    }

    private func checked(_ report: FindReport, _ pattern: String) throws -> FindReport {
        guard report.files.isEmpty, report.unread.isEmpty else { return report }
        throw Problem(
            .notFound,
            "nothing fits \(pattern) in the \(report.snapshotCount) snapshots of volume \(report.volume)",
            hint: "`**/NAME` looks in all folders")
    }

    private func find(
        _ volume: VolumeRow, _ rows: [SnapshotRow], _ pattern: String, isWhole: Bool,
        _ partition: Int?
    ) throws -> FindReport {
        let answers = try answers(volume, rows, PathPattern(pattern), partition)
        return FindReport(
            volume: volume.record.name, snapshotCount: rows.count,
            files: files(answers, rows, isWhole: isWhole),
            unread: zip(rows, answers).compactMap { row, answer in
                guard case .failure(let problem) = answer else { return nil }
                return FindReport.UnreadSnapshot(snapshot: row.id, reason: problem.message)
            })
    }

    private func answers(
        _ volume: VolumeRow, _ rows: [SnapshotRow], _ pattern: PathPattern, _ partition: Int?
    ) throws -> [FileHistory.Answer] {
        let answers: [FileHistory.Answer]? = try context.withSession(volume) { session in
            let access = FileAccess(context: context)
            if let newest = rows.last,
                try access.mustMount(access.point(newest), partition, session)
            {
                return nil
            }
            return try FileHistory(context, volume, session, partition)
                .answers(pattern, in: rows)
        }
        return try answers
            ?? MountedHistory(
                context: context, partition: partition, pattern: pattern,
                limit: FileHistory.matchesMaximum
            ).answers(in: rows)
    }

    private func files(
        _ answers: [FileHistory.Answer], _ rows: [SnapshotRow], isWhole: Bool
    ) -> [FoundFile] {
        let found = answers.map { (try? $0.get()) ?? [:] }
        let paths = found.reduce(into: Set<NodePath>()) { paths, answer in
            paths.formUnion(answer.keys)
        }
        return paths.sorted().map { path in
            var (versions, before) = ([FileVersion](), FileNode?.none)
            for (row, answer) in zip(rows, found) {
                let node = answer[path]
                let isChange = !Self.isSame(before, node)
                before = node
                guard isWhole || isChange else { continue }
                versions.append(
                    FileVersion(
                        snapshot: row.id, takenAt: row.takenAt, node: node, isChange: isChange))
            }
            return FoundFile(path: path, versions: versions)
        }
    }

    private static func isSame(_ left: FileNode?, _ right: FileNode?) -> Bool {
        guard let left, let right else { return left == nil && right == nil }
        return left.isSame(as: right)
    }
}
