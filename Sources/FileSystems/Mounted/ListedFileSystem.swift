package import SnapshotModel
package import System

/// What a filesystem says of all its files, kept, so that it can be compared with another one that cannot be
/// mounted beside it. It has no content.
package final class ListedFileSystem: SnapshotFileSystem {
    package let kind: String
    package let notes: [String]
    package let root: UInt32
    package let bytes: WindowedBytes

    private var nodes: [UInt32: FileNode] = [:]
    private var folders: [UInt32: [FolderEntry]] = [:]
    private var problems: [UInt32: Problem] = [:]

    /// So many files are kept at most.
    private static let nodesMaximum = 8 << 20

    /// Lists all of a filesystem.
    ///
    /// - Parameter check: called for each folder; what it throws ends it.
    package init(
        _ other: any SnapshotFileSystem, check: () throws(Problem) -> Void
    ) throws(Problem) {
        (kind, notes, root, bytes) = (other.kind, other.notes, other.root, other.bytes)
        nodes[root] = try other.node(root)
        var waiting = [root]
        while let folder = waiting.popLast() {
            try check()
            guard folders[folder] == nil, problems[folder] == nil else { continue }
            do throws(Problem) { waiting += try list(folder, other) } catch {
                guard error.isOfContent else { throw error }
                problems[folder] = error
            }
        }
    }

    /// Returns the folders in it.
    private func list(
        _ folder: UInt32, _ other: any SnapshotFileSystem
    ) throws(Problem) -> [UInt32] {
        let entries = try other.entries(of: folder)
        folders[folder] = entries
        var inner: [UInt32] = []
        for entry in entries where nodes[entry.number] == nil {
            let node: FileNode
            do throws(Problem) { node = try other.node(entry.number) } catch {
                guard error.isOfContent else { throw error }
                problems[entry.number] = error
                continue
            }
            nodes[entry.number] = node
            if node.isFolder { inner.append(entry.number) }
        }
        guard nodes.count <= Self.nodesMaximum else {
            throw Problem(.noSpace, "the filesystem has more files than can be compared")
        }
        return inner
    }

    package var heldBytes: Int {
        nodes.count.multipliedClamped(by: MemoryLayout<FileNode>.stride + 64)
    }

    private func problem(_ number: UInt32) -> Problem {
        problems[number] ?? Problem(.corrupt, "inode \(number) has no name")
    }

    package func node(_ number: UInt32) throws(Problem) -> FileNode {
        guard let node = nodes[number] else { throw problem(number) }
        return node
    }

    package func entries(of folder: UInt32) throws(Problem) -> [FolderEntry] {
        guard let entries = folders[folder] else { throw problem(folder) }
        return entries
    }

    package func names(of folder: UInt32, limitBytes: Int) throws(Problem) -> PackedNames {
        var names = PackedNames()
        for entry in try entries(of: folder) {
            try names.append(entry.name, entry.number, limitBytes: limitBytes)
        }
        return names
    }

    package func number(of name: FileName, in folder: UInt32) throws(Problem) -> UInt32? {
        try entries(of: folder).first { $0.name == name }?.number
    }

    // MARK: What is not kept

    private static var noContent: Problem {
        Problem(.failed, "the content of files is not kept in a list of them")
    }

    package func stretches(of node: FileNode) throws(Problem) -> [FileStretch] {
        throw Self.noContent
    }

    package func head(of node: FileNode, limit: Int) throws(Problem) -> [UInt8] {
        throw Self.noContent
    }

    package func readContent(
        of number: UInt32, into buffer: inout MutableRawSpan, at offset: Int
    ) throws(Problem) { throw Self.noContent }

    package func attributes(of node: FileNode) throws(Problem) -> [NodeMetadata.Attribute] { [] }

    package func place(of number: UInt32) -> Range<Int>? { nil }

    package func isMoved(_ range: Range<Int>) -> Bool { false }
}
