internal import FileSystems
internal import Glibc
internal import SnapshotModel
internal import System

/// What would be brought back of files and trees, and left out: what a dry run tells.
struct FileTally {
    private let context: ManagerContext
    private let fileSystem: any SnapshotFileSystem

    init(_ context: ManagerContext, _ fileSystem: any SnapshotFileSystem) {
        self.context = context
        self.fileSystem = fileSystem
    }

    /// Counts the items with all that is below them.
    func run(_ items: [TreeWriter.Item]) throws -> (FileCounts, [FileFlaw]) {
        var (counts, skipped, seen) = (FileCounts(), [FileFlaw](), Set<UInt32>())
        for item in items {
            try add(item, to: &counts, &skipped, &seen)
            guard item.node.isFolder else { continue }
            try TreeWalk(fileSystem).run(item.node, at: item.path, isWhole: true) { step in
                try context.end.check()
                switch step {
                case .flaw(let path, let problem):
                    guard problem.isOfContent else { throw problem }
                    skipped.append(FileFlaw(path: path, reason: problem.message))
                case .node(let path, let node):
                    let item = TreeWriter.Item(node: node, path: path)
                    try add(item, to: &counts, &skipped, &seen)
                }
            }
        }
        return (counts, skipped)
    }

    private func add(
        _ item: TreeWriter.Item, to counts: inout FileCounts, _ skipped: inout [FileFlaw],
        _ seen: inout Set<UInt32>
    ) throws {
        let node = item.node
        switch node.kind {
        case .folder: counts.folders += 1
        case .link: counts.links += 1
        case .fifo, .socket: counts.others += 1
        case .characterDevice, .blockDevice:
            if geteuid() == 0 {
                counts.others += 1
            } else {
                skipped.append(
                    FileFlaw(path: item.path, reason: "only root can make a device's node"))
            }
        case .unknown:
            skipped.append(FileFlaw(path: item.path, reason: "its inode is damaged"))
        case .file:
            if node.linkCount > 1, !seen.insert(node.number).inserted {
                counts.hardLinks += 1
                return
            }
            do throws(Problem) {
                counts.bytes = counts.bytes.addingClamped(try bytes(of: node))
                counts.files += 1
            } catch {
                guard error.isOfContent else { throw error }
                skipped.append(FileFlaw(path: item.path, reason: error.message))
            }
        }
    }

    private func bytes(of node: FileNode) throws(Problem) -> Int {
        _ = try FileContents(fileSystem, of: node)
        guard !node.isInline else { return node.byteCount }
        return try fileSystem.stretches(of: node).map(\.count).clampedSum
    }
}
