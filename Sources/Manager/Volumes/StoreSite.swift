internal import System
internal import Catalog
internal import Glibc
internal import StoreFormat
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
    }

    /// What a creation of ours that was cut short has left in the folder, if anything.
    struct Vacancy {
        /// The record that it had written; nil when it did not come so far.
        var unfinished: VolumeRecord?
    }

    /// Looks whether a store can be made in the folder.
    ///
    /// - Parameters:
    ///   - volumes: those in the catalog: what it has is finished.
    ///   - owner: this state; nil when it has made no store yet.
    /// - Throws: `refused` when anything lies there but what an unfinished creation has left, in
    ///   which nobody's data can be.
    func vacancy(
        for name: String, volumes: [VolumeRow], owner: StoreOwner?
    ) throws -> Vacancy {
        try OwnerTrust.require("the store", at: path)
        guard try Paths.exists(path) else { return Vacancy() }
        guard try FileStatus(path: path).kind == .folder else {
            throw Problem(
                .failed, "\(path) is not a folder", hint: "name a folder with --store DIR")
        }
        let folder = FileFolder(path: path)
        let names = try folder.list("")
        var vacancy = Vacancy()
        if names.contains(StoreLayout.volume) {
            let record = try StoreReader(folder: folder).record
            let isOurs = owner != nil && record.owner?.state == owner?.state
            let isKnown = volumes.contains { $0.record.uuid == record.uuid }
            guard isOurs, !isKnown, record.name == name, record.idFloor == IDFloor() else {
                throw belongsToAnother(record)
            }
            vacancy.unfinished = record
        }
        guard try names.allSatisfy({ try Self.isLeftOver($0, in: folder) }) else {
            throw vacancy.unfinished.map(belongsToAnother)
                ?? Problem(
                    .refused, "the store \(path) is not empty",
                    hint: "name an empty or new folder with --store DIR")
        }
        return vacancy
    }

    /// Whether a creation may have left that.
    private static func isLeftOver(_ name: String, in folder: FileFolder) throws -> Bool {
        switch name {
        case StoreLayout.snapshots, StoreLayout.reverts:
            return try folder.isFolder(name) && folder.list(name).isEmpty
        case StoreLayout.index:
            // A snapmgr that knows no index has left that of a store which it removed. It is another
            // volume's, goes when the new one is opened, and would never be believed.
            return try folder.isFolder(name)
                && folder.list(name).allSatisfy(StoreLayout.isIndexFile)
        case StoreLayout.seals:
            // The same of a snapmgr that knows no seals.
            return try folder.isFolder(name)
                && folder.list(name).allSatisfy(StoreLayout.isSealFile)
        default:
            return [
                StoreLayout.lock, StoreLayout.volume, StoreLayout.volume + StoreLayout.draftSuffix,
                probe,
            ].contains(name)
        }
    }

    private func belongsToAnother(_ record: VolumeRecord) -> Problem {
        Problem(
            .refused, "the store \(path) belongs to volume \(record.name) already",
            hint: "run \(.catalogRebuildStore(path)) to manage it again")
    }

    /// Takes back what an unsuccessful creation has made, and nothing else; best effort, since what
    /// stays is in nobody's way.
    func abandon(_ uuid: String, includingFolder: Bool) {
        let folder = FileFolder(path: path)
        if let record = try? StoreReader(folder: folder).record {
            guard record.uuid == uuid else { return }
            try? folder.removeFile(StoreLayout.volume)
        }
        try? folder.removeFile(StoreLayout.volume + StoreLayout.draftSuffix)
        for name in [StoreLayout.snapshots, StoreLayout.reverts] { try? folder.removeFolder(name) }
        guard includingFolder else { return }
        try? folder.removeFile(StoreLayout.lock)
        rmdir(path)
    }

    /// The name of a file that is made and removed at once.
    static let probe = "area-size.tmp"

    /// What became of a store that was to be removed.
    struct Removal: Hashable {
        /// The folder is not this volume's store, and was not touched.
        var isForeign = false
        /// What lies in the store and is none of ours: it stays, and the folder with it.
        var leftPaths: [String] = []
        /// What people should know of the folder.
        var note: String?
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
        guard includingFolder, rmdir(path) != 0 else { return Removal() }
        // A mount point, or a folder in one that is not ours to change: an empty folder is in
        // nobody's way.
        guard [EBUSY, ENOTEMPTY, EACCES, EPERM, EROFS].contains(errno) else {
            throw IOFailure("remove folder", path: path, code: errno)
        }
        return Removal(note: "the empty folder \(path) stays: \(String(cString: strerror(errno)))")
    }
}
