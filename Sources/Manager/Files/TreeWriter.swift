internal import FileSystems
internal import Glibc
internal import SnapshotModel
internal import System

/// Brings files and trees of a filesystem into a folder.
///
/// Each gets a temporary name there, and its own when it is complete. What is below it is made by names that
/// are looked up in open folders alone, so that no name of the filesystem leads out of it.
final class TreeWriter {
    private let fileSystem: any SnapshotFileSystem
    private let base: TargetFolder
    private let overwrites: Bool
    private let isRoot = geteuid() == 0
    private let end: OperationEnd
    private(set) var counts = FileCounts()
    private(set) var skipped: [FileFlaw] = []
    /// Names of extended attributes that could not be set, and why not.
    private(set) var refusedAttributes: [String: Int32] = [:]
    private(set) var leavesOwners = false
    /// Whether something has its own name already.
    private(set) var hasPlaced = false

    /// Where a file with several names was written first, from the base on.
    private var written: [UInt32: [FileName]] = [:]
    /// Folders that are being gone through: one that lies in itself is left out.
    private var open: Set<UInt32> = []

    /// What is told of one that is to be written.
    struct Item {
        var node: FileNode
        var path: NodePath
    }

    init(
        _ fileSystem: any SnapshotFileSystem, into base: TargetFolder, overwrites: Bool,
        end: OperationEnd
    ) {
        self.fileSystem = fileSystem
        self.base = base
        self.overwrites = overwrites
        self.end = end
    }

    /// The names of a place below the base, and the folder that it is.
    private struct Place {
        var folder: TargetFolder
        var names: [FileName]

        func below(_ folder: TargetFolder, _ name: FileName) -> Place {
            Place(folder: folder, names: names + [name])
        }
    }

    /// Writes something under a name into the base.
    ///
    /// - Throws: `exists` when the name is taken, unless that may be replaced.
    func write(_ item: Item, as name: FileName) throws {
        do {
            try put(item, as: name, in: Place(folder: base, names: []))
        } catch let failure as IOFailure where failure.code == ENAMETOOLONG {
            _ = skip(item.path, failure.description)
        }
    }

    /// Says what could not be given to what was written.
    func tell(_ context: ManagerContext) {
        if leavesOwners {
            context.note(
                "files are this user's, without set-user-ID bits: only root can give them to their owners"
            )
        }
        if let first = refusedAttributes.min(by: { $0.key < $1.key }) {
            let names = refusedAttributes.keys.sorted().joined(separator: ", ")
            context.note(
                "extended attributes that could not be set here: \(names) "
                    + "(\(String(cString: strerror(first.value))))")
        }
    }

    /// Says what nothing that comes from a filesystem can have; once, however many files come.
    static func tell(_ context: ManagerContext, of fileSystem: any SnapshotFileSystem) {
        guard !fileSystem.hasAttributes else { return }
        context.note(
            "the \(fileSystem.kind) was made without extended attributes (`ext_attr`): files come back "
                + "without any, and without access lists")
    }

    /// Writes something under a name into the base, in one step, and gives what has the name already another
    /// one, which is free.
    ///
    /// - Parameter spare: gives the free name; it is asked again when somebody takes that meanwhile.
    func replace(
        _ item: Item, as name: FileName, keeping spare: () throws -> FileName
    ) throws -> Replacement {
        let temporary = Self.temporaryName()
        let (made, former): (FileStatus?, FileName)
        do {
            guard try make(item, as: temporary, in: Place(folder: base, names: [])) else {
                return .leftOut
            }
            made = try base.status(temporary.bytes)
            // After a power cut, a name must not stand for what was never written.
            try base.syncFilesystem()
            guard try base.status(name.bytes) != nil else {
                try base.rename(temporary.bytes, to: name.bytes, replaces: false)
                return .new
            }
            // Cut short before the last step, what was there has its name still; after it, the new one.
            former = try rename(temporary, toFree: spare)
        } catch {
            try? base.removeTree(temporary.bytes)
            throw error
        }
        do throws(IOFailure) { try base.exchange(name.bytes, former.bytes) } catch {
            // It may be what was there that has this name now, and it is the only one.
            if let made { try? base.removeTree(former.bytes, of: made) }
            throw error
        }
        return .kept(former)
    }

    /// What has come of a replacement.
    enum Replacement {
        case leftOut
        /// Nothing had the name before.
        case new
        /// What had it is called so now.
        case kept(FileName)
    }

    private static let attemptsMaximum = 100

    private func rename(
        _ temporary: FileName, toFree spare: () throws -> FileName
    ) throws -> FileName {
        var attempts = 0
        while true {
            let name = try spare()
            do throws(IOFailure) {
                try base.rename(temporary.bytes, to: name.bytes, replaces: false)
                return name
            } catch {
                attempts += 1
                guard error.code == EEXIST, attempts < Self.attemptsMaximum else { throw error }
            }
        }
    }

    /// What a failure is of whoever brings something to a folder: it has nothing to do with any store.
    static func problem(_ error: any Error, _ folder: TargetFolder) -> Problem {
        let problem = Problem(error)
        guard problem.code == .noSpace, (error as? IOFailure)?.isTooLarge != true else {
            return problem
        }
        return Problem(
            .noSpace, problem.message,
            hint: "make room on the filesystem of \(folder.path), and run the command again")
    }

    private static func temporaryName() -> FileName {
        FileName(".snapmgr-get-\(UInt64.random(in: .min ... .max).padded(to: 16, radix: 16))")
    }

    // MARK: Replacing

    private func put(_ item: Item, as name: FileName, in place: Place) throws {
        let existing = try place.folder.status(name.bytes)
        if let existing {
            guard overwrites else { throw Self.taken(name, place.folder) }
            if let flaw = Self.mismatch(existing, item, name, place.folder) {
                _ = skip(item.path, flaw)
                return
            }
            if item.node.isFolder { return try merge(item, into: name, in: place) }
        }
        let temporary = Self.temporaryName()
        do {
            guard try make(item, as: temporary, in: place) else { return }
            try place.folder.rename(
                temporary.bytes, to: name.bytes, replaces: overwrites && existing != nil)
            rename(temporary, to: name, in: place)
            hasPlaced = true
        } catch {
            try? place.folder.removeTree(temporary.bytes)
            guard (error as? IOFailure)?.code == EEXIST else { throw error }
            throw Self.taken(name, place.folder)
        }
    }

    /// Why something cannot come in the place of what is there; nil when it can.
    static func mismatch(
        _ existing: FileStatus, _ item: Item, _ name: FileName, _ folder: TargetFolder
    ) -> String? {
        guard (existing.kind == .folder) != item.node.isFolder else { return nil }
        return "\(folder.path)/\(name.text) is \(existing.kind == .folder ? "a" : "no") folder, "
            + "and \(item.path.text) \(item.node.isFolder ? "is one" : "is none")"
    }

    static func taken(_ name: FileName, _ folder: TargetFolder) -> Problem {
        Problem(
            .exists, "\(folder.path)/\(name.text) is there already",
            hint: "bring it to another folder with --to, or replace it with --force")
    }

    /// What is in a folder that is there stays, unless it is replaced.
    private func merge(_ item: Item, into name: FileName, in place: Place) throws {
        let folder = try place.folder.folder(name.bytes)
        let inner = place.below(folder, name)
        try forEachEntry(of: item) { entry, name in try put(entry, as: name, in: inner) }
        counts.folders += 1
        hasPlaced = true
        note(try folder.apply(metadata(of: item)), of: item)
    }

    /// What was written first below a temporary name has another place now.
    private func rename(_ temporary: FileName, to name: FileName, in place: Place) {
        let depth = place.names.count
        for (number, names) in written where names.count > depth && names[depth] == temporary {
            written[number]?[depth] = name
        }
    }

    // MARK: Making

    /// False when it was left out.
    private func make(_ item: Item, as name: FileName, in place: Place) throws -> Bool {
        try end.check()
        do {
            switch item.node.kind {
            case .folder: try makeFolder(item, name, place)
            case .file: try makeFile(item, name, place)
            case .link: try makeLink(item, name, place)
            case .fifo, .socket: try makeNode(item, name, place)
            case .characterDevice, .blockDevice:
                guard isRoot else {
                    return skip(item.path, "only root can make a device's node")
                }
                try makeNode(item, name, place)
            case .unknown: return skip(item.path, "its inode is damaged")
            }
            return true
        } catch let problem as Problem where problem.isOfContent {
            try place.folder.removeTree(name.bytes)
            return skip(item.path, problem.message)
        }
    }

    private func skip(_ path: NodePath, _ reason: String) -> Bool {
        skipped.append(FileFlaw(path: path, reason: reason))
        return false
    }

    private func makeFolder(_ item: Item, _ name: FileName, _ place: Place) throws {
        let folder = try place.folder.makeFolder(name.bytes)
        let inner = place.below(folder, name)
        try forEachEntry(of: item) { entry, name in _ = try make(entry, as: name, in: inner) }
        counts.folders += 1
        note(try folder.apply(metadata(of: item)), of: item)
    }

    private func forEachEntry(of item: Item, _ body: (Item, FileName) throws -> Void) throws {
        guard open.insert(item.node.number).inserted else {
            throw Problem(.corrupt, "the folder lies in itself")
        }
        defer { open.remove(item.node.number) }
        guard open.count <= TreeWalk.depthMaximum else {
            throw Problem(.corrupt, "the tree is deeper than \(TreeWalk.depthMaximum) folders")
        }
        for entry in try fileSystem.entries(of: item.node.number).sorted(by: { $0.name < $1.name })
        {
            let path = item.path.appending(entry.name)
            guard entry.name.isPossible else {
                _ = skip(path, "no file can have this name")
                continue
            }
            do {
                try body(Item(node: try fileSystem.node(entry.number), path: path), entry.name)
            } catch let problem as Problem where problem.isOfContent {
                _ = skip(path, problem.message)
            } catch let failure as IOFailure where failure.code == ENAMETOOLONG {
                // There are longer names on some filesystems than on others.
                _ = skip(path, failure.description)
            }
        }
    }

    private func makeFile(_ item: Item, _ name: FileName, _ place: Place) throws {
        if item.node.linkCount > 1, let first = written[item.node.number] {
            let folder = try folder(first.dropLast())
            if let last = first.last {
                try place.folder.link(name.bytes, to: last.bytes, in: folder)
            }
            counts.hardLinks += 1
            return
        }
        let file = try place.folder.makeFile(name.bytes)
        try FileContents(fileSystem, of: item.node).forEachPiece { offset, piece in
            try end.check()
            try file.write(piece, at: offset)
            counts.bytes = counts.bytes.addingClamped(piece.byteCount)
        }
        try file.setLength(item.node.byteCount)
        note(try file.apply(metadata(of: item)), of: item)
        counts.files += 1
        if item.node.linkCount > 1 { written[item.node.number] = place.names + [name] }
    }

    private func folder(_ names: some Sequence<FileName>) throws(IOFailure) -> TargetFolder {
        var folder = base
        for name in names { folder = try folder.folder(name.bytes) }
        return folder
    }

    private func makeLink(_ item: Item, _ name: FileName, _ place: Place) throws {
        let target = try fileSystem.head(of: item.node, limit: 4096)
        guard !target.isEmpty, target.count < 4096, !target.contains(0) else {
            throw Problem(.corrupt, "the symbolic link's target is damaged")
        }
        let made = try place.folder.makeLink(name.bytes, to: target)
        note(try made.apply(metadata(of: item)), of: item)
        counts.links += 1
    }

    private func makeNode(_ item: Item, _ name: FileName, _ place: Place) throws {
        let device = item.node.device
        let made = try place.folder.makeNode(
            name.bytes, mode: UInt32(item.node.mode & 0o170000), major: device.major,
            minor: device.minor)
        note(try made.apply(metadata(of: item)), of: item)
        counts.others += 1
    }

    // MARK: All but content

    /// What only root can give is left out for others; and with it the bits that would give this user's powers
    /// to whoever runs the file.
    private func metadata(of item: Item) throws(Problem) -> NodeMetadata {
        let node = item.node
        let isOwn = node.user == geteuid()
        if !isRoot && !isOwn { leavesOwners = true }
        return NodeMetadata(
            owner: isRoot ? NodeMetadata.Owner(user: node.user, group: node.group) : nil,
            permissions: UInt32(isRoot ? node.permissions : node.permissions & 0o1777),
            accessed: node.accessed, modified: node.modified,
            attributes: try attributes(of: item))
    }

    private func attributes(of item: Item) throws(Problem) -> [NodeMetadata.Attribute] {
        do throws(Problem) {
            return try fileSystem.attributes(of: item.node)
        } catch {
            guard error.isOfContent else { throw error }
            _ = skip(item.path, error.message)
            return []
        }
    }

    /// Those that only root can give are told once, as owners are; others are lost, and told of each file.
    private func note(_ refused: [String: Int32], of item: Item) {
        var lost = refused
        if !isRoot {
            lost = refused.filter { name, code in
                code != EPERM || !Self.rootsAttributes.contains { name.hasPrefix($0) }
            }
            refusedAttributes.merge(refused.filter { lost[$0.key] == nil }) { first, _ in first }
        }
        guard let first = lost.min(by: { $0.key < $1.key }) else { return }
        let names = lost.keys.sorted().joined(separator: ", ")
        _ = skip(
            item.path,
            "extended attributes could not be set: \(names) "
                + "(\(String(cString: strerror(first.value))))")
    }

    private static let rootsAttributes = ["security.", "trusted."]
}

/// What was brought back.
package struct FileCounts: Hashable, Sendable {
    package var files = 0
    package var folders = 0
    /// Symbolic ones.
    package var links = 0
    /// Further names of files that are counted already.
    package var hardLinks = 0
    /// FIFOs, sockets, devices.
    package var others = 0
    /// Of content, without holes.
    package var bytes = 0
}
