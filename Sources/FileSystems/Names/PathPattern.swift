package import SnapshotModel

/// A pattern of paths: names between slashes, of which `**` is any number of folders.
package struct PathPattern: Hashable, Sendable {
    private enum Part: Hashable, Sendable {
        case folders
        case name(NamePattern)
    }

    private let parts: [Part]
    private let text: String

    package init(_ text: String) {
        self.text = text
        parts = text.split(separator: "/").filter { $0 != "." }.map {
            $0 == "**" ? .folders : .name(NamePattern($0))
        }
    }

    /// Whether it is a path that names one thing.
    private var path: NodePath? {
        var names: [FileName] = []
        for part in parts {
            guard case .name(let pattern) = part, let name = pattern.literal else { return nil }
            names.append(name)
        }
        return NodePath(names)
    }

    /// All that fits, by its path. Of a path without a pattern, symbolic links on the way are followed.
    ///
    /// - Parameter limit: so many are found at most.
    /// - Throws: `failed` when there are more.
    package func matches(
        in fileSystem: any SnapshotFileSystem, limit: Int
    ) throws(Problem) -> [NodePath: FileNode] {
        if let path { return try match(path, in: fileSystem) }
        var search = PathSearch(fileSystem, limit: limit)
        try search.run(parts[...], fileSystem.node(fileSystem.root), NodePath())
        return search.found
    }

    private func match(
        _ path: NodePath, in fileSystem: any SnapshotFileSystem
    ) throws(Problem) -> [NodePath: FileNode] {
        do throws(Problem) { return [path: try PathLookup(fileSystem).node(path)] } catch {
            guard error.code == .notFound else { throw error }
            return [:]
        }
    }

    private struct PathSearch {
        private let fileSystem: any SnapshotFileSystem
        private let limit: Int
        private(set) var found: [NodePath: FileNode] = [:]
        private var open: Set<UInt32> = []

        init(_ fileSystem: any SnapshotFileSystem, limit: Int) {
            self.fileSystem = fileSystem
            self.limit = limit
        }

        mutating func run(
            _ parts: ArraySlice<Part>, _ node: FileNode, _ path: NodePath
        ) throws(Problem) {
            guard let part = parts.first else {
                guard found.count < limit else {
                    throw Problem(
                        .failed, "more than \(limit) files fit the pattern",
                        hint: "name a narrower one")
                }
                found[path] = node
                return
            }
            switch part {
            case .folders:
                try run(parts.dropFirst(), node, path)
                try enter(node, path, parts) { _ in true }
            case .name(let pattern):
                guard let name = pattern.literal else {
                    return try enter(node, path, parts.dropFirst()) { pattern.fits($0) }
                }
                guard node.isFolder,
                    let number = try fileSystem.number(of: name, in: node.number)
                else { return }
                try run(parts.dropFirst(), fileSystem.node(number), path.appending(name))
            }
        }

        /// Goes on with what is in a folder; a folder that lies in itself is left out.
        private mutating func enter(
            _ folder: FileNode, _ path: NodePath, _ parts: ArraySlice<Part>,
            _ isWanted: (FileName) -> Bool
        ) throws(Problem) {
            guard folder.isFolder, path.names.count <= TreeWalk.depthMaximum,
                open.insert(folder.number).inserted
            else { return }
            defer { open.remove(folder.number) }
            let wantsFolders = !parts.isEmpty && parts.elementsEqual([.folders]) == false
            for entry in try fileSystem.entries(of: folder.number) where isWanted(entry.name) {
                if wantsFolders, entry.isFolder == false { continue }
                let node = try fileSystem.node(entry.number)
                try run(parts, node, path.appending(entry.name))
            }
        }
    }
}
