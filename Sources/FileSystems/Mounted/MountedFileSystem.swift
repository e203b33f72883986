package import SnapshotModel
package import System

/// A filesystem that the kernel has mounted for this process alone, read-only: what is looked at does not change
/// meanwhile, and nothing else is mounted below it.
package final class MountedFileSystem: SnapshotFileSystem {
    package let kind: String
    package let notes: [String] = []
    package let root: UInt32
    /// Nothing is read but by the kernel.
    package let bytes = WindowedBytes(NoBytes())

    private let rootFolder: SourceFolder
    private let machine: MachineCheck
    private let numbers: NodeNumbers
    private var places: [UInt32: Place] = [:]
    /// The folder that was used last, and what was seen in it.
    private var recent: (number: UInt32, folder: SourceFolder)?
    private var seen: [UInt32: FileNode] = [:]
    private var openFile: (number: UInt32, file: SourceFile)?

    /// Where a number was met, and in which part of the filesystem it is.
    private struct Place {
        var folder: UInt32
        var name: FileName
        var part: Int
        var filesystem: UInt64
    }

    /// So many files are looked at at most, and so many names are in a folder.
    private static let placesMaximum = 16 << 20
    private static let entriesMaximum = 4 << 20

    /// - Parameters:
    ///   - path: where it is mounted.
    ///   - kind: what it is called: `xfs`.
    ///   - isReadable: whether what the filesystem lies on can be read: asked when the kernel says that something in
    ///     it cannot.
    package init(
        path: String, kind: String, numbers: NodeNumbers = NodeNumbers(),
        isReadable: @escaping () -> Bool = { true }
    ) throws(Problem) {
        self.kind = kind
        self.numbers = numbers
        let (folder, found): (SourceFolder, SourceNode)
        do throws(IOFailure) {
            folder = try SourceFolder(path: path)
            found = try folder.node([])
        } catch {
            throw Problem(error)
        }
        let number = try numbers.number(of: found.inode, in: 0)
        (rootFolder, root) = (folder, number)
        machine = MachineCheck {
            isReadable() && Self.answers(folder)
        }
        places[number] = Place(
            folder: number, name: FileName([]), part: 0, filesystem: found.filesystem)
        recent = (number, folder)
    }

    /// Whether the kernel gives what is in it. More names than are read tell that, too.
    private static func answers(_ root: SourceFolder) -> Bool {
        do throws(IOFailure) {
            _ = try root.node([])
            _ = try root.names(limit: namesMaximum)
            return true
        } catch { return error.isTooLarge }
    }

    /// So many names of the root are read to find that out.
    private static let namesMaximum = 1024

    /// What one takes of memory, about.
    private static let placeBytes = 128

    package var heldBytes: Int {
        places.count.addingClamped(seen.count).multipliedClamped(by: Self.placeBytes)
    }

    private func doing<Result>(
        _ body: () throws(IOFailure) -> Result
    ) throws(Problem) -> Result {
        do throws(IOFailure) { return try body() } catch { throw machine.problem(error) }
    }

    // MARK: Places

    private func place(_ number: UInt32) throws(Problem) -> Place {
        guard let place = places[number] else {
            throw Problem(.corrupt, "inode \(number) has no name")
        }
        return place
    }

    /// The folders above a number, the root folder first.
    private func folder(_ number: UInt32) throws(Problem) -> SourceFolder {
        if let recent, recent.number == number { return recent.folder }
        var (names, at) = ([FileName](), number)
        while at != root {
            guard names.count <= TreeWalk.depthMaximum + 1 else {
                throw Problem(.corrupt, "the tree is deeper than \(TreeWalk.depthMaximum) folders")
            }
            let place = try place(at)
            names.append(place.name)
            at = place.folder
        }
        let folder = try doing { [rootFolder] () throws(IOFailure) in
            var folder = rootFolder
            for name in names.reversed() { folder = try folder.folder(name.bytes) }
            return folder
        }
        recent = (number, folder)
        return folder
    }

    /// What has a name in a folder, which is noted.
    private func node(
        _ name: FileName, in number: UInt32, _ folder: SourceFolder
    ) throws(Problem) -> FileNode {
        let above = try place(number)
        let found = try doing { () throws(IOFailure) in try folder.node(name.bytes) }
        let isSame = found.filesystem == above.filesystem && !isNumberless(found)
        let part = isSame ? above.part : numbers.part(at: name, in: number)
        let own = try numbers.number(of: hasPassingNumbers ? 0 : found.inode, in: part)
        try note(
            own, Place(folder: number, name: name, part: part, filesystem: found.filesystem))
        return FileNode(number: own, found)
    }

    /// Of a FAT the kernel makes up the inodes' numbers, anew in each mount: there, a file is known by its place.
    private var hasPassingNumbers: Bool { ["vfat", "exfat"].contains(kind) }

    /// Whether its number tells it from no other: that of all folders of a Btrfs in the place of subvolumes is 2.
    private func isNumberless(_ node: SourceNode) -> Bool {
        hasPassingNumbers || (kind == "btrfs" && node.inode == 2)
    }

    private func note(_ number: UInt32, _ place: Place) throws(Problem) {
        guard places[number] == nil else { return }
        guard places.count < Self.placesMaximum else {
            throw Problem(.noSpace, "the filesystem has more files than can be looked at")
        }
        places[number] = place
    }

    /// A name whose inode cannot be read: that fails when it is looked at, and does not keep others from theirs.
    private func damaged(_ name: FileName, in number: UInt32) throws(Problem) -> FolderEntry {
        let above = try place(number)
        let own = try numbers.number(of: 0, in: numbers.part(at: name, in: number))
        try note(
            own,
            Place(folder: number, name: name, part: above.part, filesystem: above.filesystem))
        return FolderEntry(name: name, number: own, isFolder: nil)
    }

    // MARK: Nodes

    package func node(_ number: UInt32) throws(Problem) -> FileNode {
        if let known = seen[number] { return known }
        let place = try place(number)
        guard number != root else {
            return FileNode(
                number: root,
                try doing { [rootFolder] () throws(IOFailure) in try rootFolder.node([]) })
        }
        return try node(place.name, in: place.folder, folder(place.folder))
    }

    package func entries(of number: UInt32) throws(Problem) -> [FolderEntry] {
        let folder = try folder(number)
        let names = try doing { () throws(IOFailure) in
            try folder.names(limit: Self.entriesMaximum)
        }
        seen = [:]
        var entries: [FolderEntry] = []
        for bytes in names {
            entries.append(try entry(FileName(bytes), in: number, folder))
        }
        return entries
    }

    private func entry(
        _ name: FileName, in number: UInt32, _ folder: SourceFolder
    ) throws(Problem) -> FolderEntry {
        let node: FileNode
        do throws(Problem) { node = try self.node(name, in: number, folder) } catch {
            guard error.isOfContent else { throw error }
            return try damaged(name, in: number)
        }
        seen[node.number] = node
        return FolderEntry(name: name, number: node.number, isFolder: node.isFolder)
    }

    package func names(of number: UInt32, limitBytes: Int) throws(Problem) -> PackedNames {
        var names = PackedNames()
        for entry in try entries(of: number) {
            try names.append(entry.name, entry.number, limitBytes: limitBytes)
        }
        return names
    }

    package func number(of name: FileName, in folder: UInt32) throws(Problem) -> UInt32? {
        guard name.isPossible else { return nil }
        let opened = try self.folder(folder)
        do throws(IOFailure) { _ = try opened.node(name.bytes) } catch {
            guard !error.isAbsence else { return nil }
            throw machine.problem(error)
        }
        return try node(name, in: folder, opened).number
    }

    // MARK: Content

    private func file(_ number: UInt32) throws(Problem) -> SourceFile {
        if let openFile, openFile.number == number { return openFile.file }
        let place = try place(number)
        let folder = try folder(place.folder)
        let file = try doing { () throws(IOFailure) in try folder.file(place.name.bytes) }
        openFile = (number, file)
        return file
    }

    /// A stretch lies, as far as can be told, where it is in the file.
    package func stretches(of node: FileNode) throws(Problem) -> [FileStretch] {
        guard node.kind == .file, node.byteCount > 0 else { return [] }
        let file = try file(node.number)
        return try doing { () throws(IOFailure) in
            var (stretches, position) = ([FileStretch](), 0)
            while let data = try file.data(from: position, to: node.byteCount) {
                stretches.append(
                    FileStretch(
                        fileOffset: data.lowerBound, offset: data.lowerBound, count: data.count))
                position = data.upperBound
            }
            return stretches
        }
    }

    package func head(of node: FileNode, limit: Int) throws(Problem) -> [UInt8] {
        let place = try place(node.number)
        guard node.kind == .link else {
            let count = min(limit, node.byteCount)
            guard node.kind == .file, count > 0 else { return [] }
            var bytes = [UInt8](repeating: 0, count: count)
            var elements = bytes.mutableSpan
            var span = elements.mutableBytes
            try readContent(of: node.number, into: &span, at: 0)
            return bytes
        }
        let folder = try folder(place.folder)
        let target = try doing { () throws(IOFailure) in
            try folder.link(place.name.bytes)
        }
        return Array(target.prefix(limit))
    }

    package func readContent(
        of number: UInt32, into buffer: inout MutableRawSpan, at offset: Int
    ) throws(Problem) {
        let file = try file(number)
        do throws(IOFailure) { try file.read(into: &buffer, at: offset) } catch {
            throw machine.problem(error)
        }
    }

    /// Those that another filesystem has, too: what a filesystem means for itself alone is left out.
    package func attributes(of node: FileNode) throws(Problem) -> [NodeMetadata.Attribute] {
        let place = try place(node.number)
        let (folder, name) =
            node.number == root
            ? (rootFolder, []) : (try folder(place.folder), place.name.bytes)
        let all = try doing { () throws(IOFailure) in try folder.attributes(name) }
        return all.filter { attribute in
            Self.usualAttributes.contains { attribute.name.hasPrefix($0) }
                && !attribute.name.hasPrefix(Self.accessListsOfXFS)
        }
    }

    /// What XFS tells root besides of the access lists that are told as all filesystems do.
    private static let accessListsOfXFS = "trusted.SGI_ACL_"

    private static let usualAttributes = ["user.", "trusted.", "security.", "system.posix_acl_"]

    // MARK: What only a volume's bytes tell

    /// Unknown: the kernel does not say where on the volume it is.
    package func place(of number: UInt32) -> Range<Int>? { nil }

    /// Nothing, as far as a mount shows.
    package func isMoved(_ range: Range<Int>) -> Bool { false }
}

/// No bytes at all.
private final class NoBytes: VolumeBytes {
    let byteCount = 0

    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(Problem) {
        throw Problem(.failed, "there is nothing to read")
    }
}

extension FileNode {
    fileprivate init(number: UInt32, _ node: SourceNode) {
        self.init(
            number: number, generation: Self.mark(node.born), mode: node.mode, user: node.user,
            group: node.group, linkCount: Int(node.linkCount), byteCount: node.byteCount,
            allocatedBytes: node.allocatedBytes, accessed: node.accessed,
            modified: node.modified, changed: node.changed, born: node.born,
            device: DeviceNumbers(major: node.deviceMajor, minor: node.deviceMinor),
            isEncrypted: node.isEncrypted, isInline: false)
    }

    /// What tells an inode from an earlier one of the same number: of the moment when it was made, which nobody can
    /// set, some bits.
    private static func mark(_ born: NodeMetadata.Time?) -> UInt32 {
        guard let born else { return 0 }
        let seconds = UInt64(bitPattern: born.seconds)
        return UInt32(truncatingIfNeeded: seconds &* 1_000_003) ^ born.nanoseconds
    }
}
