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

    init(path: String) { self.path = path }

    deinit {
        number.withLock { if $0 >= 0 { close($0) } }
    }

    private func root() throws(IOFailure) -> Int32 {
        try number.withLock { (number) throws(IOFailure) -> Int32 in
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
        return try body(folder.number, halves.name)
    }

    /// Opens a folder below this one, to list or to sync; `""` is this one.
    func open(folder name: String) throws(IOFailure) -> OwnedDescriptor {
        try withParent(of: name) { (parent, leaf) throws(IOFailure) in
            try openOne(leaf, in: parent, flags: O_RDONLY | O_DIRECTORY, path: full(name))
        }
    }

    private func find(_ name: String, below root: Int32) throws(IOFailure) -> OwnedDescriptor {
        let (path, halves) = (full(name), PathHalves(name))
        guard let parent = halves.parent else {
            return try openOne(name, in: root, flags: Self.lookUp, path: path)
        }
        let folder = try find(parent, below: root)
        return try openOne(halves.name, in: folder.number, flags: Self.lookUp, path: path)
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
