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
            let path = try NodePath(argument: path)
            let node = try PathLookup(fileSystem).node(path)
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
            case .node(let path, let node): page.append(summary(node, path, fileSystem))
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
    ) -> FileSummary {
        let target = node.kind == .link ? try? fileSystem.head(of: node, limit: 4096) : nil
        return FileSummary(path: path, node: node, target: target.map { FileName($0) })
    }
}

extension Problem {
    /// Whether what was read is at fault, and not the reading: another file may be well.
    var isOfContent: Bool { [.corrupt, .newerVersion, .failed].contains(code) }
}
