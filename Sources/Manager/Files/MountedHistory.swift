internal import Catalog
internal import FileSystems
internal import SnapshotModel

/// Looks up the same paths in many snapshots of a volume by mounting one after the other; the same answer holds
/// for the next one as long as nothing was written to the volume in between.
struct MountedHistory {
    let context: ManagerContext
    let partition: Int?

    /// - Parameter rows: by their ordinals; the answers are in the same order.
    func answers(
        _ pattern: PathPattern, in rows: [SnapshotRow], limit: Int
    ) throws -> [FileHistory.Answer] {
        let numbers = NodeNumbers()
        var (answers, former) = ([FileHistory.Answer](), SnapshotRow?.none)
        for row in rows {
            try context.end.check()
            if let last = answers.last, let former, try isSame(former, row) {
                answers.append(last)
            } else {
                answers.append(try answer(pattern, row, numbers, limit: limit))
            }
            former = row
        }
        return answers
    }

    private func isSame(_ former: SnapshotRow, _ row: SnapshotRow) throws -> Bool {
        guard former.volumeBytes == row.volumeBytes else { return false }
        return try DiffService(context: context).diff("\(former.id)", "\(row.id)").ranges.isEmpty
    }

    private func answer(
        _ pattern: PathPattern, _ row: SnapshotRow, _ numbers: NodeNumbers, limit: Int
    ) throws -> FileHistory.Answer {
        let point = try FileAccess(context: context).point(row)
        do {
            let found = try MountedFiles(context)
                .withFileSystem(point, partition, numbers: numbers) {
                    try pattern.matches(in: $0, limit: limit)
                }
            return .success(found)
        } catch let problem as Problem where problem.isOfContent || problem.code == .refused {
            return .failure(problem)
        }
    }
}
