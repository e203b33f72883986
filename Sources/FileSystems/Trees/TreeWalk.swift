package import SnapshotModel

/// Goes through a folder and what is below it, folders before what is in them, by the order of names.
package struct TreeWalk {
    private let fileSystem: any SnapshotFileSystem

    package init(_ fileSystem: any SnapshotFileSystem) { self.fileSystem = fileSystem }

    /// Folders within each other; more are no tree that anybody has made in earnest.
    package static let depthMaximum = 1024

    /// What is met.
    package enum Step {
        case node(NodePath, FileNode)
        /// What cannot be read; all else is gone through.
        case flaw(NodePath, Problem)
    }

    /// - Parameters:
    ///   - folder: it is not itself among what is met.
    ///   - isWhole: whether folders below it are gone through, too.
    package func run(
        _ folder: FileNode, at path: NodePath, isWhole: Bool, _ onStep: (Step) throws -> Void
    ) throws {
        // A folder that lies in itself is gone through once.
        var seen: Set<UInt32> = [folder.number]
        var waiting = [(path: path, number: folder.number)]
        while let next = waiting.popLast() {
            var folders: [(path: NodePath, number: UInt32)] = []
            for entry in try entries(next.number, next.path, onStep) {
                let path = next.path.appending(entry.name)
                guard let node = try node(entry.number, path, onStep) else { continue }
                try onStep(.node(path, node))
                guard isWhole, node.isFolder else { continue }
                if let flaw = flaw(node, path, &seen) {
                    try onStep(.flaw(path, flaw))
                } else {
                    folders.append((path, node.number))
                }
            }
            waiting += folders.reversed()
        }
    }

    private func flaw(_ node: FileNode, _ path: NodePath, _ seen: inout Set<UInt32>) -> Problem? {
        guard seen.insert(node.number).inserted else {
            return Problem(.corrupt, "the folder has a second place in the tree")
        }
        return path.names.count > Self.depthMaximum
            ? Problem(.corrupt, "the tree is deeper than \(Self.depthMaximum) folders") : nil
    }

    private func entries(
        _ number: UInt32, _ path: NodePath, _ onStep: (Step) throws -> Void
    ) throws -> [FolderEntry] {
        do { return try fileSystem.entries(of: number).sorted { $0.name < $1.name } } catch {
            try onStep(.flaw(path, error))
            return []
        }
    }

    private func node(
        _ number: UInt32, _ path: NodePath, _ onStep: (Step) throws -> Void
    ) throws -> FileNode? {
        do { return try fileSystem.node(number) } catch {
            try onStep(.flaw(path, error))
            return nil
        }
    }
}
