internal import Glibc
internal import SnapshotModel

/// The open descriptor of a folder, below which names are looked up.
///
/// It is opened when it is first needed, and only once: whatever happens to the path afterwards, all
/// that is done below it is done in the same folder. Of what lies below, no component may be a
/// symbolic link, which could lead out of the folder.
final class FolderDescriptor: Sendable {
    let path: String
    /// O_PATH, which the Glibc module leaves out: looking names up needs no right to list them.
    private static let lookUp = 0o10000000 | O_DIRECTORY

    /// Negative until the folder is opened.
    private let number = Monitored<Int32>(-1)

    /// Who opens the folder itself; nil is this one.
    private let base: FolderDescriptor?
    /// Of one look: the folders that names were looked up in last, each within the one before it.
    private let recent: Monitored<[FoundFolder]>?

    init(path: String) {
        self.path = path
        (base, recent) = (nil, nil)
    }

    /// The same folder for one look at much of what is in it: the folders below it stay open from one name
    /// to the next. What is put in the place of one of them meanwhile is not seen.
    init(lookingInto base: FolderDescriptor) {
        path = base.path
        self.base = base
        recent = Monitored([])
    }

    deinit {
        number.withLock { if $0 >= 0 { close($0) } }
    }

    private func root() throws(IOFailure) -> Int32 {
        if let base { return try base.root() }
        return try number.withLock { (number) throws(IOFailure) -> Int32 in
            if number >= 0 { return number }
            number = try OwnedDescriptor(path: path, flags: Self.lookUp).release()
            return number
        }
    }

    private func full(_ name: String) -> String { name.isEmpty ? path : path + "/" + name }

    /// Calls with the descriptor of the folder that holds `name`, and with the name in it; `.` is
    /// the folder itself.
    func withParent<Result: ~Copyable>(
        of name: String, _ body: (Int32, String) throws(IOFailure) -> Result
    ) throws(IOFailure) -> Result {
        let root = try root()
        let halves = PathHalves(name)
        guard let parent = halves.parent else {
            return try body(root, name.isEmpty ? "." : name)
        }
        let folder = try find(parent, below: root)
        defer { withExtendedLifetime(folder) {} }
        return try body(folder.descriptor.number, halves.name)
    }

    /// Opens a folder below this one, to list or to sync; `""` is this one.
    func open(folder name: String) throws(IOFailure) -> OwnedDescriptor {
        try withParent(of: name) { (parent, leaf) throws(IOFailure) in
            try openOne(leaf, in: parent, flags: O_RDONLY | O_DIRECTORY, path: full(name))
        }
    }

    private func find(_ name: String, below root: Int32) throws(IOFailure) -> FoundFolder {
        if let known = recent?.withLock({ $0.first { $0.name == name } }) { return known }
        let (path, halves) = (full(name), PathHalves(name))
        let parent = try halves.parent.map { (parent) throws(IOFailure) in
            try find(parent, below: root)
        }
        let folder = parent?.descriptor.number ?? root
        defer { withExtendedLifetime(parent) {} }
        let found = FoundFolder(
            name, try openOne(halves.name, in: folder, flags: Self.lookUp, path: path))
        if let recent {
            let kept = [parent, found].compactMap(\.self)
            // Those that go are closed when nobody has the lock.
            let gone = recent.withLock { recent in
                defer { recent = kept }
                return recent
            }
            withExtendedLifetime(gone) {}
        }
        return found
    }

    private func openOne(
        _ name: String, in folder: Int32, flags: Int32, path: String
    ) throws(IOFailure) -> OwnedDescriptor {
        do throws(IOFailure) {
            return try OwnedDescriptor(name, in: folder, flags: flags | O_NOFOLLOW, path: path)
        } catch {
            // The kernel calls a symbolic link "not a folder", which would read as "not there".
            guard error.code == ENOTDIR, try Self.isLink(name, in: folder, path: path) else {
                throw error
            }
            throw IOFailure("open", path: path, code: ELOOP)
        }
    }

    private static func isLink(
        _ name: String, in folder: Int32, path: String
    ) throws(IOFailure) -> Bool {
        try FileStatus(name, in: folder, path: path).kind == .link
    }
}

/// A folder that was opened to look names up in it.
private final class FoundFolder: Sendable {
    let name: String
    let descriptor: OwnedDescriptor

    init(_ name: String, _ descriptor: consuming OwnedDescriptor) {
        self.name = name
        self.descriptor = descriptor
    }
}
