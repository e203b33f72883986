internal import CFuse
internal import FileSystems
internal import Glibc
internal import SnapshotModel
internal import System

/// A folder for each snapshot of a volume, with the files that it holds: what the kernel asks for, answered.
///
/// Of snapshots that are not asked for nothing is kept but a name, and of those that are, what was asked for
/// last. One thread uses it.
package final class SnapshotTree {
    private let shelf: any SnapshotShelf
    /// The snapshots that are there, by slot.
    private var shown: [UInt32: SnapshotFolder] = [:]
    private var slots: [SnapshotID: UInt32] = [:]
    private var byName: [String: UInt32] = [:]
    private var lastSlot: UInt32 = 0
    /// When the snapshots are to be looked at again.
    private var staleAt = Deadline(milliseconds: 0)

    private var fileSystems = OpenFileSystems()
    private var contents = OpenContents()
    private var folders = OpenFolders()
    private let owner = (user: geteuid(), group: getegid())

    /// New snapshots appear, and deleted ones go, so late at most.
    private static let lookMilliseconds = 1000
    /// What a snapshot holds stays as it is.
    private static let foreverSeconds: Double = 1e9
    private static let targetBytes = 4096

    package init(_ shelf: any SnapshotShelf) { self.shelf = shelf }

    /// How many snapshots' filesystems are open.
    var openCount: Int { fileSystems.count }

    /// Nobody asks at the moment: nothing of a volume is kept open, so that what was read can be deleted.
    func pause() { shelf.rest() }

    /// Nobody has asked for a while: what is only kept to be faster goes.
    func rest() {
        guard fileSystems.count > 0 else { return shelf.rest() }
        fileSystems.removeAll()
        contents.removeAll()
        shelf.rest()
        snapmgr_fuse_trim()
    }

    // MARK: Snapshots

    /// Brings what is shown up to date.
    private func look() throws(TreeFailure) {
        guard staleAt.hasPassed else { return }
        let found = try TreeFailure.of { () throws(Problem) in try shelf.folders() }
        var (now, names) = ([UInt32: SnapshotFolder](), [String: UInt32]())
        for folder in found {
            guard let slot = slots[folder.id] ?? nextSlot() else { break }
            slots[folder.id] = slot
            now[slot] = folder
            names[folder.name] = slot
        }
        slots = slots.filter { now[$0.value] != nil }
        fileSystems.keepOnly { now[$0] != nil }
        (shown, byName) = (now, names)
        staleAt = Deadline(milliseconds: Self.lookMilliseconds)
    }

    /// Nil when a mount has seen more snapshots than there are numbers.
    private func nextSlot() -> UInt32? {
        guard lastSlot < UInt32(Int32.max) else { return nil }
        lastSlot += 1
        return lastSlot
    }

    private func fileSystem(_ slot: UInt32) throws(TreeFailure) -> any SnapshotFileSystem {
        try look()
        guard let folder = shown[slot] else { throw TreeFailure(ESTALE) }
        if let known = fileSystems.find(slot) { return known }
        let opened = try TreeFailure.of { () throws(Problem) in try shelf.open(folder.id) }
        fileSystems.add(slot, opened)
        return opened
    }

    // MARK: Nodes

    private func node(_ number: UInt64) throws(TreeFailure) -> (TreeNumber, FileNode) {
        guard let place = TreeNumber(number) else { throw TreeFailure(ESTALE) }
        let fileSystem = try fileSystem(place.slot)
        return (
            place, try TreeFailure.of { () throws(Problem) in try fileSystem.node(place.node) }
        )
    }

    func look(_ number: UInt64) throws(TreeFailure) -> snapmgr_fuse_node {
        guard number != UInt64(SNAPMGR_FUSE_ROOT) else { return try root() }
        let (place, node) = try node(number)
        return try answer(place, node)
    }

    func lookup(_ name: FileName, in folder: UInt64) throws(TreeFailure) -> snapmgr_fuse_node {
        guard folder != UInt64(SNAPMGR_FUSE_ROOT) else { return try snapshot(name) }
        guard let place = TreeNumber(folder) else { throw TreeFailure(ESTALE) }
        let fileSystem = try fileSystem(place.slot)
        let found = try TreeFailure.of { () throws(Problem) in
            try fileSystem.number(of: name, in: place.node)
        }
        guard let found else { return .absence(seconds: Self.foreverSeconds) }
        return try answer(TreeNumber(slot: place.slot, node: found), in: fileSystem)
    }

    private func snapshot(_ name: FileName) throws(TreeFailure) -> snapmgr_fuse_node {
        try look()
        guard let slot = byName[name.text] else { throw TreeFailure(ENOENT) }
        let fileSystem = try fileSystem(slot)
        var answer = try answer(TreeNumber(slot: slot, node: fileSystem.root), in: fileSystem)
        answer.name_seconds = Double(Self.lookMilliseconds) / 1000
        return answer
    }

    private func answer(
        _ number: TreeNumber, in fileSystem: any SnapshotFileSystem
    ) throws(TreeFailure) -> snapmgr_fuse_node {
        try answer(
            number,
            TreeFailure.of { () throws(Problem) in try fileSystem.node(number.node) })
    }

    private func answer(
        _ number: TreeNumber, _ node: FileNode
    ) throws(TreeFailure) -> snapmgr_fuse_node {
        guard node.kind != .unknown else { throw TreeFailure(EIO) }
        return snapmgr_fuse_node(number, node, seconds: Self.foreverSeconds)
    }

    /// Everybody may look at the names; what is below them has its own owners.
    private func root() throws(TreeFailure) -> snapmgr_fuse_node {
        try look()
        let newest = shown.values.lazy.map(\.takenAt).max() ?? .init(seconds: 0, nanoseconds: 0)
        let time = snapmgr_fuse_time(newest)
        var node = snapmgr_fuse_node()
        node.number = UInt64(SNAPMGR_FUSE_ROOT)
        node.mode = S_IFDIR | 0o555
        node.links = 2
        (node.user, node.group) = owner
        (node.accessed, node.modified, node.changed) = (time, time, time)
        node.node_seconds = Double(Self.lookMilliseconds) / 1000
        return node
    }

    func target(_ number: UInt64) throws(TreeFailure) -> [UInt8] {
        let (place, node) = try node(number)
        guard node.kind == .link else { throw TreeFailure(EINVAL) }
        let fileSystem = try fileSystem(place.slot)
        let target = try TreeFailure.of { () throws(Problem) in
            try fileSystem.head(of: node, limit: Self.targetBytes)
        }
        guard !target.isEmpty, target.count < Self.targetBytes, !target.contains(0) else {
            throw TreeFailure(EIO)
        }
        return target
    }

    /// The extended attributes; those that only root may see are not among them for anybody.
    func attributes(_ number: UInt64) throws(TreeFailure) -> [NodeMetadata.Attribute] {
        guard number != UInt64(SNAPMGR_FUSE_ROOT) else { return [] }
        let (place, node) = try node(number)
        let fileSystem = try fileSystem(place.slot)
        return try TreeFailure.of { () throws(Problem) in try fileSystem.attributes(of: node) }
            .filter { !$0.name.hasPrefix("trusted.") }
    }

    // MARK: Content

    private func content(
        _ number: UInt64
    ) throws(TreeFailure) -> (FileContent, any SnapshotFileSystem) {
        guard let place = TreeNumber(number) else { throw TreeFailure(EISDIR) }
        let fileSystem = try fileSystem(place.slot)
        return (try contents.content(place, in: fileSystem), fileSystem)
    }

    func openFile(_ number: UInt64) throws(TreeFailure) { _ = try content(number) }

    func read(
        _ number: UInt64, into buffer: inout MutableRawSpan, at offset: Int
    ) throws(TreeFailure) -> Int {
        let (content, fileSystem) = try content(number)
        return try content.read(into: &buffer, at: offset, from: fileSystem)
    }

    func seek(_ number: UInt64, _ offset: Int, forData: Bool) throws(TreeFailure) -> Int {
        try content(number).0.seek(offset, forData: forData)
    }

    // MARK: Folders

    func openFolder(_ number: UInt64) throws(TreeFailure) -> UInt64 {
        guard number != UInt64(SNAPMGR_FUSE_ROOT) else {
            try look()
            let names = shown.map { (slot: $0.key, name: $0.value.name) }
            return try folders.add(.root(names.sorted { $0.name < $1.name }))
        }
        guard let place = TreeNumber(number) else { throw TreeFailure(ESTALE) }
        let fileSystem = try fileSystem(place.slot)
        let names = try TreeFailure.of { () throws(Problem) in
            try fileSystem.names(of: place.node, limitBytes: folders.roomBytes)
        }
        return try folders.add(.folder(place, names))
    }

    func closeFolder(_ handle: UInt64) { folders.close(handle) }

    /// Gives the names of a list from a position on, for as long as they are taken. Positions 0 and 1 are `.` and
    /// `..`.
    ///
    /// - Parameter give: a name, what is told of it, and the position behind it; false when it has no room.
    func list(
        _ handle: UInt64, from position: UInt64,
        _ give: (FileName, snapmgr_fuse_node, UInt64) -> Bool
    ) throws(TreeFailure) {
        guard let list = folders[handle] else { throw TreeFailure(EBADF) }
        let dots = [".", ".."]
        guard var next = Int(exactly: position) else { return }
        while next < list.count + dots.count {
            let (name, node) =
                next < dots.count
                ? (FileName(dots[next]), .name(of: list.number, isFolder: true))
                : try entry(list, next - dots.count)
            next += 1
            guard give(name, node, UInt64(next)) else { return }
        }
    }

    private func entry(
        _ list: OpenFolders.List, _ index: Int
    ) throws(TreeFailure) -> (FileName, snapmgr_fuse_node) {
        switch list {
        case .root(let names):
            // To say more of a snapshot, it would have to be opened.
            let number = TreeNumber(slot: names[index].slot, node: 2)
            return (FileName(names[index].name), .name(of: number.value, isFolder: true))
        case .folder(let folder, let names):
            let (node, name) = names[index]
            let number = TreeNumber(slot: folder.slot, node: node)
            let fileSystem = try fileSystem(folder.slot)
            // What is wrong with one is told to who asks for it.
            let answer = try? answer(number, in: fileSystem)
            return (name, answer ?? .name(of: number.value, isFolder: false))
        }
    }
}
