internal import BlockIO
internal import Catalog
internal import Glibc
internal import MergeKit
internal import SnapshotModel

/// The folder in which a store is made, or from which it is removed.
struct StoreSite {
    let path: String

    /// - Throws: `refused` when the folder is in use or would contain, or lie in, what it must not.
    func requireFit(origin: String, volumes: [VolumeRow]) throws {
        guard !Paths.isInside(origin, folder: path) else {
            throw Problem(
                .refused, "the origin \(origin) lies inside the store \(path)",
                hint: "choose another folder with --store DIR")
        }
        for volume in volumes
        where Paths.isInside(path, folder: volume.storePath)
            || Paths.isInside(volume.storePath, folder: path)
        {
            throw Problem(
                .refused,
                "the store \(path) overlaps the store \(volume.storePath) of volume "
                    + volume.record.name, hint: "choose another folder with --store DIR")
        }
        guard Paths.exists(path) else { return }
        guard try FileStatus(path: path).kind == .folder else {
            throw Problem(.failed, "\(path) is no folder", hint: "name a folder with --store DIR")
        }
        let folder = FileFolder(path: path)
        if folder.exists("volume.json") { throw try belongsToAnother(folder) }
        guard try folder.list("").isEmpty else {
            throw Problem(
                .refused, "the store \(path) is not empty",
                hint: "name an empty or new folder with --store DIR")
        }
    }

    private func belongsToAnother(_ folder: FileFolder) throws -> Problem {
        let name = try StoreReader(folder: folder).record.name
        return Problem(
            .refused, "the store \(path) belongs to volume \(name) already",
            hint: "run `snapmgr catalog rebuild --store \(path)` to manage it again")
    }

    /// - Returns: whether the folder was made.
    func create(_ record: VolumeRecord) throws -> Bool {
        let isNew = !Paths.exists(path)
        try Paths.makeFolders(path)
        try Store(folder: FileFolder(path: path)).create(record)
        return isNew
    }

    /// Removes a store. `volume.json` goes first: without it nobody opens what is left of it, and
    /// removal can be begun again.
    func remove(includingFolder: Bool = true) throws {
        guard Paths.exists(path) else { return }
        let folder = FileFolder(path: path)
        if folder.exists("volume.json") {
            try folder.removeFile("volume.json")
            try folder.syncFolder("")
        }
        try Self.empty(folder, "")
        if includingFolder, rmdir(path) != 0 {
            throw IOFailure("remove folder", path: path, code: errno)
        }
    }

    private static func empty(_ folder: FileFolder, _ name: String) throws {
        for entry in try folder.list(name) {
            let child = name.isEmpty ? entry : name + "/" + entry
            // A symbolic link is removed, never followed.
            if folder.isFolder(child) {
                try empty(folder, child)
                try folder.removeFolder(child)
            } else {
                try folder.removeFile(child)
            }
        }
    }
}

extension FileFolder {
    /// Whether the name is a folder itself, and no link to one.
    fileprivate func isFolder(_ name: String) -> Bool {
        var status = stat()
        return lstat(path + "/" + name, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }
}
