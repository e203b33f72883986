internal import FileSystems
internal import SnapshotModel

/// Compares two filesystems of a volume by what they say of their files.
///
/// A folder whose inode and blocks lie in nothing that was written between the two has the same names in both,
/// and a file whose inode does has not changed: neither is asked for then. It follows from what was read, by
/// which blocks the names of a folder have come.
final class FileDiff {
    private let old: any SnapshotFileSystem
    private let new: any SnapshotFileSystem
    /// Whether a range of the filesystem may differ.
    private let mayDiffer: (Range<Int>) -> Bool
    private let end: OperationEnd
    private(set) var changes: [FileChange] = []
    private(set) var flaws: [FileFlaw] = []

    /// Of one filesystem alone, until it is known whether the other one has it elsewhere.
    private var gone: [Entry] = []
    private var come: [Entry] = []
    /// Pairs of folders that are being compared, or were.
    private var compared: Set<UInt64> = []

    private struct Entry {
        var path: NodePath
        var node: FileNode
    }

    init(
        _ old: any SnapshotFileSystem, _ new: any SnapshotFileSystem, end: OperationEnd,
        mayDiffer: @escaping (Range<Int>) -> Bool
    ) {
        (self.old, self.new, self.end, self.mayDiffer) = (old, new, end, mayDiffer)
    }

    /// Fills ``changes``, by their paths.
    func run() throws {
        try compare(old.root, new.root, at: NodePath())
        while !gone.isEmpty || !come.isEmpty { try settle() }
        changes.sort { ($0.path, $0.kind.rawValue) < ($1.path, $1.kind.rawValue) }
        flaws.sort { $0.path < $1.path }
    }

    // MARK: Folders

    private func compare(_ before: UInt32, _ after: UInt32, at path: NodePath) throws {
        var waiting = [(before: before, after: after, path: path)]
        while let pair = waiting.popLast() {
            try end.check()
            guard compared.insert(UInt64(pair.before) << 32 | UInt64(pair.after)).inserted else {
                continue
            }
            do {
                try waiting += inner(pair.before, pair.after, at: pair.path)
            } catch let problem as Problem where problem.isOfContent {
                flaws.append(FileFlaw(path: pair.path, reason: problem.message))
            }
        }
    }

    /// Compares what is in two folders; returns the folders that are to be compared next.
    private func inner(
        _ before: UInt32, _ after: UInt32, at path: NodePath
    ) throws -> [(before: UInt32, after: UInt32, path: NodePath)] {
        old.bytes.beginTrace()
        let entries = try old.entries(of: before)
        if before == after, isSame(before), !old.bytes.tracedRanges.contains(where: mayDiffer) {
            return try sameNames(entries, at: path)
        }
        return try otherNames(entries, new.entries(of: after), at: path)
    }

    /// Whether a number's inode cannot have changed.
    private func isSame(_ number: UInt32) -> Bool {
        guard let place = old.place(of: number), place == new.place(of: number) else {
            return false
        }
        return !mayDiffer(place)
    }

    private func sameNames(
        _ entries: [FolderEntry], at path: NodePath
    ) throws -> [(before: UInt32, after: UInt32, path: NodePath)] {
        var folders: [(before: UInt32, after: UInt32, path: NodePath)] = []
        for entry in entries {
            if entry.isFolder == false, isSame(entry.number) { continue }
            let inner = path.appending(entry.name)
            if entry.isFolder == true, isSame(entry.number) {
                folders.append((entry.number, entry.number, inner))
            } else {
                folders += try pair(entry.number, entry.number, at: inner)
            }
        }
        return folders
    }

    private func otherNames(
        _ before: [FolderEntry], _ after: [FolderEntry], at path: NodePath
    ) throws -> [(before: UInt32, after: UInt32, path: NodePath)] {
        var folders: [(before: UInt32, after: UInt32, path: NodePath)] = []
        var rest = Dictionary(before.map { ($0.name, $0) }) { first, _ in first }
        for entry in after {
            let inner = path.appending(entry.name)
            guard let former = rest.removeValue(forKey: entry.name) else {
                if let node = try node(entry.number, in: new, inner) {
                    come.append(Entry(path: inner, node: node))
                }
                continue
            }
            if former.number == entry.number, entry.isFolder == false, isSame(entry.number) {
                continue
            }
            folders += try pair(former.number, entry.number, at: inner)
        }
        for former in rest.values {
            let inner = path.appending(former.name)
            if let node = try node(former.number, in: old, inner) {
                gone.append(Entry(path: inner, node: node))
            }
        }
        return folders
    }

    private func node(
        _ number: UInt32, in fileSystem: any SnapshotFileSystem, _ path: NodePath
    ) throws(Problem) -> FileNode? {
        do throws(Problem) { return try fileSystem.node(number) } catch {
            guard error.isOfContent else { throw error }
            flaws.append(FileFlaw(path: path, reason: error.message))
            return nil
        }
    }

    // MARK: Files

    /// Compares what has one path in both.
    private func pair(
        _ before: UInt32, _ after: UInt32, at path: NodePath
    ) throws -> [(before: UInt32, after: UInt32, path: NodePath)] {
        guard let former = try node(before, in: old, path),
            let node = try node(after, in: new, path)
        else { return [] }
        guard former.isFolder == node.isFolder else {
            gone.append(Entry(path: path, node: former))
            come.append(Entry(path: path, node: node))
            return []
        }
        let isNew = !former.isSameFile(as: node)
        if node.isFolder {
            if former.hasOtherRights(than: node) || isNew {
                changes.append(FileChange(.changed, path, former, node))
            }
            return [(before, after, path)]
        }
        if isNew || former.hasOtherContent(than: node) || former.hasOtherRights(than: node)
            || former.changed != node.changed
        {
            changes.append(FileChange(.changed, path, former, node))
        }
        return []
    }

    // MARK: What only one of them has

    /// Tells what has moved; of what has not, a folder's content is looked at by itself.
    private func settle() throws {
        let (before, after) = (gone, come)
        (gone, come) = ([], [])
        var places = Dictionary(grouping: before, by: \.node.number)
        for entry in after.sorted(by: { $0.path < $1.path }) {
            let candidates = places[entry.node.number] ?? []
            let index = candidates.firstIndex { $0.node.isSameFile(as: entry.node) }
            guard let index else {
                try tell(.added, entry, in: new)
                continue
            }
            let former = candidates[index]
            places[entry.node.number]?.remove(at: index)
            changes.append(
                FileChange(.moved, entry.path, former.node, entry.node, from: former.path))
            guard entry.node.isFolder else { continue }
            try compare(former.node.number, entry.node.number, at: entry.path)
        }
        for entry in places.values.flatMap(\.self) { try tell(.deleted, entry, in: old) }
    }

    private func tell(
        _ kind: FileChange.Kind, _ entry: Entry, in fileSystem: any SnapshotFileSystem
    ) throws {
        let isGone = kind == .deleted
        changes.append(
            FileChange(kind, entry.path, isGone ? entry.node : nil, isGone ? nil : entry.node))
        guard entry.node.isFolder, entry.path.names.count <= TreeWalk.depthMaximum else { return }
        try end.check()
        do throws(Problem) {
            for inner in try fileSystem.entries(of: entry.node.number) {
                let path = entry.path.appending(inner.name)
                guard let node = try node(inner.number, in: fileSystem, path) else { continue }
                let found = Entry(path: path, node: node)
                if isGone { gone.append(found) } else { come.append(found) }
            }
        } catch {
            guard error.isOfContent else { throw error }
            flaws.append(FileFlaw(path: entry.path, reason: error.message))
        }
    }
}

extension FileNode {
    /// Whether it is the same file, whatever it is called and holds.
    fileprivate func isSameFile(as other: FileNode) -> Bool {
        (number, generation, kind) == (other.number, other.generation, other.kind)
    }

    fileprivate func hasOtherContent(than other: FileNode) -> Bool {
        (byteCount, modified) != (other.byteCount, other.modified)
    }

    fileprivate func hasOtherRights(than other: FileNode) -> Bool {
        (mode, user, group) != (other.mode, other.user, other.group)
    }
}
