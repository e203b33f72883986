internal import System
internal import Glibc
internal import SnapshotModel

/// What the use cases do with paths of the real filesystem.
package enum Paths {
    /// Makes a folder, for its owner only, with the folders above it. Their names are durable: a
    /// power cut must not take away a store or a catalog with the folder that it lies in.
    static func makeFolders(_ path: String) throws {
        guard try !exists(path) else { return }
        if let parent = PathHalves(path).parent, !parent.isEmpty { try makeFolders(parent) }
        // EEXIST: another command was faster.
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
            throw IOFailure("make folder", path: path, code: errno)
        }
        try syncName(of: path)
    }

    /// Makes the name of a file or folder durable.
    static func syncName(of path: String) throws {
        try FileFolder(path: PathHalves(path).folder).syncFolder("")
    }

    /// The path from the root, without `.`, `..`, and symbolic links as far as it exists.
    package static func absolute(_ path: String) throws -> String {
        let full = path.hasPrefix("/") ? path : try currentFolder() + "/" + path
        if let real = realPath(full) { return real }
        // A path that does not exist yet: its folder tells.
        let halves = PathHalves(full)
        guard let parent = halves.parent, !["", ".", ".."].contains(halves.name) else {
            return full
        }
        return (try parent.isEmpty ? "" : absolute(parent)) + "/" + halves.name
    }

    /// The path from the root, with its symbolic links: of a device, whose own name may be another
    /// one after the next start of the machine.
    static func fromRoot(_ path: String) throws -> String {
        path.hasPrefix("/") ? path : try currentFolder() + "/" + path
    }

    /// Whether `path` is `folder` or lies below it; both absolute.
    static func isInside(_ path: String, folder: String) -> Bool {
        path == folder || path.hasPrefix(folder.hasSuffix("/") ? folder : folder + "/")
    }

    /// Whether something has this path; what cannot be found out is an error.
    static func exists(_ path: String) throws -> Bool { try FileFolder.exists(path: path) }

    static func isExecutableFile(_ path: String) -> Bool {
        access(path, X_OK) == 0 && (try? FileStatus(path: path))?.kind == .file
    }

    static func remove(_ path: String) throws {
        guard unlink(path) == 0 || errno == ENOENT else {
            throw IOFailure("remove", path: path, code: errno)
        }
    }

    static func rename(_ path: String, to newPath: String) throws {
        guard Glibc.rename(path, newPath) == 0 else {
            throw IOFailure("rename", path: path, code: errno)
        }
    }

    /// Gives a file its durable name, unless there is something of that name already.
    static func renameUnlessTaken(_ path: String, to newPath: String) throws {
        let target = PathHalves(newPath)
        let files = FileFolder(path: target.folder)
        do throws(IOFailure) {
            try files.renameUnlessTaken(PathHalves(path).name, to: target.name)
        } catch {
            guard error.code == EEXIST else { throw error }
            throw Problem(
                .exists, "the file \(newPath) exists",
                hint: "choose another name, or remove it first")
        }
        try files.syncFolder("")
    }

    private static func currentFolder() throws -> String {
        guard let pointer = getcwd(nil, 0) else {
            throw IOFailure("find", path: ".", code: errno)
        }
        defer { free(pointer) }
        return String(cString: pointer)
    }

    private static func realPath(_ path: String) -> String? {
        guard let pointer = realpath(path, nil) else { return nil }
        defer { free(pointer) }
        return String(cString: pointer)
    }
}
