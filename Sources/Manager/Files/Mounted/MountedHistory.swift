internal import Catalog
internal import FileSystems
internal import SnapshotModel

/// Looks up the same paths in many snapshots of a volume by mounting one after the other; the same answer holds
/// for the next one as long as nothing was written in between to what is mounted.
struct MountedHistory {
    let context: ManagerContext
    let partition: Int?
    let pattern: PathPattern
    /// So many files are found at most in each.
    let limit: Int
    /// Shared by all, whose inodes are compared.
    private let numbers = NodeNumbers()

    /// - Parameter rows: of one volume, by their ordinals; the answers are in the same order.
    func answers(in rows: [SnapshotRow]) throws -> [FileHistory.Answer] {
        guard let volume = try rows.first.map({ try context.volume($0.volume) }) else { return [] }
        return try MountServer(context).keeping(volume) {
            var (answers, former) = ([FileHistory.Answer](), SnapshotRow?.none)
            for row in rows {
                try context.end.check()
                // It only saves a mount: where it cannot be told, one more look tells.
                if let last = answers.last, let former, (try? isSame(former, row)) == true {
                    answers.append(last)
                } else {
                    answers.append(try answer(row))
                }
                former = row
            }
            return answers
        }
    }

    private func isSame(_ former: SnapshotRow, _ row: SnapshotRow) throws -> Bool {
        guard former.volumeBytes == row.volumeBytes else { return false }
        let changed = try DiffService(context: context).diff("\(former.id)", "\(row.id)").ranges
        guard !changed.isEmpty, partition != nil else { return changed.isEmpty }
        // What was written elsewhere on the disk is no matter of the partition's.
        guard let place = try place(row), try place == self.place(former) else { return false }
        return !changed.contains { $0.overlaps(place) }
    }

    /// Where the partition lies.
    private func place(_ row: SnapshotRow) throws -> Range<Int>? {
        let point = try FileAccess(context: context).point(row)
        return try context.withSession(point.volume) { session in
            let part = try FileAccess.part(of: point.bytes(session), partition, point.name)
            return (part as? BytesPart).map { $0.start..<$0.start + $0.byteCount }
        }
    }

    /// That a filesystem cannot be mounted is an answer; that nothing can be is none.
    private func answer(_ row: SnapshotRow) throws -> FileHistory.Answer {
        let point = try FileAccess(context: context).point(row)
        var isMounted = false
        do {
            return try MountedFiles(context)
                .withFileSystem(point, partition, numbers: numbers) {
                    isMounted = true
                    return try look($0)
                }
        } catch let problem as Problem
            where !isMounted && (problem.isOfContent || problem.code == .refused)
        {
            return .failure(problem)
        }
    }

    private func look(_ fileSystem: MountedFileSystem) throws(Problem) -> FileHistory.Answer {
        do throws(Problem) {
            return .success(try pattern.matches(in: fileSystem, limit: limit))
        } catch {
            guard error.isOfContent else { throw error }
            return .failure(error)
        }
    }
}
