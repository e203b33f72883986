internal import FileSystems
internal import SnapshotModel

/// Lists what is in a snapshot's filesystem.
package struct FileListService {
    let context: ManagerContext

    /// So many are given at once.
    private static let pageLength = 512

    /// - Parameters:
    ///   - reference: a snapshot, or the live volume.
    ///   - path: a folder, whose content is listed; or anything else, which is listed itself.
    ///   - isWhole: whether what is below its folders is listed, too.
    /// - Returns: what cannot be read; all else is listed.
    /// - Throws: `notFound` when nothing has the path.
    package func list(
        _ reference: String, path: String, isWhole: Bool, partition: Int?,
        _ onPage: ([FileSummary]) throws -> Void
    ) throws -> [FileFlaw] {
        try FileAccess(context: context).withFileSystem(reference, partition: partition) {
            fileSystem, _ in
            let (path, node) = try PathLookup(fileSystem).find(NodePath(argument: path))
            guard node.isFolder else {
                try onPage([summary(node, path, fileSystem)])
                return []
            }
            return try list(node, path, isWhole, fileSystem, onPage)
        }
    }

    private func list(
        _ folder: FileNode, _ path: NodePath, _ isWhole: Bool,
        _ fileSystem: any SnapshotFileSystem, _ onPage: ([FileSummary]) throws -> Void
    ) throws -> [FileFlaw] {
        var (page, flaws) = ([FileSummary](), [FileFlaw]())
        try TreeWalk(fileSystem).run(folder, at: path, isWhole: isWhole) { step in
            switch step {
            case .flaw(let path, let problem):
                guard problem.isOfContent else { throw problem }
                flaws.append(FileFlaw(path: path, reason: problem.message))
            case .node(let path, let node):
                page.append(try summary(node, path, fileSystem))
            }
            guard page.count >= Self.pageLength else { return }
            try context.end.check()
            try onPage(page)
            page = []
        }
        if !page.isEmpty { try onPage(page) }
        return flaws
    }

    private func summary(
        _ node: FileNode, _ path: NodePath, _ fileSystem: any SnapshotFileSystem
    ) throws(Problem) -> FileSummary {
        FileSummary(path: path, node: node, target: try target(of: node, fileSystem))
    }

    /// Nil of what is no link, and of a damaged one.
    private func target(
        of node: FileNode, _ fileSystem: any SnapshotFileSystem
    ) throws(Problem) -> FileName? {
        guard node.kind == .link else { return nil }
        do throws(Problem) { return FileName(try fileSystem.head(of: node, limit: 4096)) } catch {
            guard error.isOfContent else { throw error }
            return nil
        }
    }
}
