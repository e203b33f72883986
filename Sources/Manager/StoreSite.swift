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
        try OwnerTrust.require("the store", at: path)
        guard try Paths.exists(path) else { return }
        guard try FileStatus(path: path).kind == .folder else {
            throw Problem(.failed, "\(path) is no folder", hint: "name a folder with --store DIR")
        }
        let folder = FileFolder(path: path)
        if try folder.exists("volume.json") { throw try belongsToAnother(folder) }
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
        let isNew = try !Paths.exists(path)
        try Paths.makeFolders(path)
        do { try requireLargeFiles(record) } catch {
            if isNew { rmdir(path) }
            throw error
        }
        try Store(folder: FileFolder(path: path)).create(record)
        return isNew
    }

    /// Refuses a filesystem whose files cannot be as large as an area may become: not one snapshot
    /// could be taken.
    private func requireLargeFiles(_ record: VolumeRecord) throws {
        let bytes = AreaFormat(chunkBytes: record.geometry.chunkBytes).fullCoverageBytes(
            chunkCount: record.geometry.chunkCount)
        let folder = FileFolder(path: path)
        let name = "area-size.tmp"
        do {
            _ = try folder.createFile(name, byteCount: bytes)
            try folder.removeFile(name)
        } catch {
            try? folder.removeFile(name)
            guard error.code == EFBIG else { throw error }
            throw Problem(
                .refused,
                "the filesystem of the store \(path) takes no files of \(ByteCount(bytes)), as large as "
                    + "an area of this volume may become",
                hint: "put the store on XFS, with --store DIR")
        }
    }

    /// What became of a store that was to be removed.
    struct Removal: Hashable {
        /// The folder is not this volume's store, and was not touched.
        var isForeign = false
        /// What lies in the store and is none of ours: it stays, and the folder with it.
        var leftPaths: [String] = []
    }

    /// Removes the store of a volume, and nothing else.
    func remove(of uuid: String, includingFolder: Bool = true) throws -> Removal {
        guard try Paths.exists(path) else { return Removal() }
        try OwnerTrust.require("the store", at: path)
        guard try FileStatus(path: path).kind == .folder else { return Removal(isForeign: true) }
        switch try Store(folder: FileFolder(path: path)).removeAll(uuid: uuid) {
        case .foreign: return Removal(isForeign: true)
        case .removed(let names):
            guard names.isEmpty else { return Removal(leftPaths: names.map { path + "/" + $0 }) }
        }
        guard !includingFolder || rmdir(path) == 0 else {
            throw IOFailure("remove folder", path: path, code: errno)
        }
        return Removal()
    }
}
