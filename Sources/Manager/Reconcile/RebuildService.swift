internal import System
internal import Catalog
internal import Glibc
internal import StoreFormat
internal import SnapshotModel
internal import VolumeAccess

/// What a rebuild has put into the catalog.
package struct RebuildReport: Hashable, Sendable {
    package struct Volume: Hashable, Sendable {
        package var name: String
        package var storePath: String
        package var snapshotCount: Int
    }

    package var volumes: [Volume]
    /// Where the damaged catalog lies now; nil when the old one was fit to be kept.
    package var damagedCatalogPath: String?
}

extension RebuildReport: JSONConvertible {
    package var json: JSONValue {
        [
            "volumes": .array(
                volumes.map {
                    [
                        "name": JSONValue($0.name), "store": JSONValue($0.storePath),
                        "snapshots": JSONValue($0.snapshotCount),
                    ]
                }),
            "damaged_catalog": JSONValue(damagedCatalogPath),
        ]
    }
}

/// Makes the catalog anew from the stores. A catalog that can still be read keeps what only it
/// knows (holds, events, volumes whose store is away); a damaged one is moved aside.
package struct RebuildService {
    private let options: ManagerOptions

    package init(_ options: ManagerOptions) { self.options = options }

    /// - Parameters:
    ///   - store: the folder of the one store to read; nil reads all that are known.
    ///   - takesOver: takes that store from the state that it belongs to.
    ///   - origin: the name of an origin that is no file: the store is made anew from it first, in `store` or in
    ///     the default place.
    package func rebuild(
        store: String?, takesOver: Bool = false, origin: String? = nil
    ) throws -> RebuildReport {
        try options.jobs.run(.rebuild, [], options.operation) { operation in
            var options = options
            options.operation = operation
            let service = RebuildService(options)
            let restored = try origin.map {
                try service.restore($0, in: store, takesOver: takesOver)
            }
            return try service.run(store: restored ?? store, takesOver: takesOver)
        }
    }

    /// Makes a volume's store anew from its origin; where it is.
    private func restore(
        _ origin: String, in store: String?, takesOver: Bool
    ) throws -> String {
        guard let driver = try options.drivers.driver(ofOrigin: origin),
            let name = try driver.originName(origin)
        else {
            throw Problem(
                .usage, "a file does not know of its volume: \(origin)",
                hint: "name the store instead: \(.catalogRebuildStore())")
        }
        try Paths.makeFolders(options.state.path)
        return try driver.restoreStore(ofOrigin: name) { record throws(Problem) in
            do {
                if !takesOver { try requireOwn(record) }
                return try site(for: record, store)
            } catch { throw Problem(error) }
        }
    }

    /// Before anything is made.
    private func requireOwn(_ record: VolumeRecord) throws {
        guard let owner = record.owner,
            try StateIdentity(options.state).read()?.state != owner.state
        else { return }
        throw Problem(
            .refused,
            "volume \(record.name) belongs to the state \(owner), as its origin says, and not to "
                + options.state.path,
            hint:
                "use that state; if it is lost, or is to manage it no more, give --take-over, too: "
                + "\(.help(["catalog", "rebuild"]))")
    }

    /// The folder for a store that is made anew, which is made.
    private func site(for record: VolumeRecord, _ store: String?) throws -> String {
        let path = try Paths.absolute(
            store ?? options.state.defaultStorePath(volume: record.name))
        guard try !Paths.exists(path + "/" + StoreLayout.volume) else {
            throw Problem(
                .exists, "there is a store in \(path) already",
                hint: "use it (\(.catalogRebuildStore(path))), or move it away first")
        }
        try Paths.makeFolders(path)
        try OwnerTrust.require("the store", at: path)
        return path
    }

    private func run(store: String?, takesOver: Bool) throws -> RebuildReport {
        try OwnerTrust.require("the state folder", at: Paths.absolute(options.state.path))
        try Paths.makeFolders(options.state.path)
        guard let catalog = try openSound() else {
            return try replaceDamaged(store: store, takesOver: takesOver)
        }
        let context = ManagerContext(catalog: catalog, options: options)
        var report = RebuildReport(volumes: [], damagedCatalogPath: nil)
        let known = try catalog.volumes()
        try context.withLocks(known) {
            // What a store does not know would be forgotten; one that is away says so below.
            for volume in known { try? BrokenMarks(context: context).writeBack(volume) }
            let stores = FoundStores(known: known, note: options.operation.onNote)
            let paths = try stores.select(try storePaths(store, known: known.map(\.storePath)))
            let contents = try read(paths, stores, context, takesOver: takesOver)
            try catalog.atomically("rebuilding") {
                for volume in contents {
                    try Self.adopt(volume, context)
                    report.add(volume)
                }
                try Self.log(report, context)
            }
        }
        return report
    }

    /// Reads one known volume's store into the catalog again.
    static func readopt(_ volume: VolumeRow, _ context: ManagerContext) throws {
        // What the store does not know would be forgotten.
        try BrokenMarks(context: context).writeBack(volume)
        let contents = try StoreContents.read(volume.storePath)
        try context.catalog.atomically("adopting a store") { try adopt(contents, context) }
    }
}

// MARK: - A sound catalog

extension RebuildService {
    /// The catalog, when it can be opened and nothing in it is damaged.
    private func openSound() throws -> CatalogStore? {
        do {
            let catalog = try open(options.state.catalogPath)
            return try catalog.integrityCheck().isEmpty ? catalog : nil
        } catch let error as CatalogError where error.code == .corrupt || error.code == .unreadable
        {
            return nil
        } catch let problem as Problem where problem.code == .corrupt {
            return nil
        }
    }

    private func open(_ path: String) throws -> CatalogStore {
        if path == options.state.catalogPath { try options.state.requireCatalogFile() }
        let clock = options.operation.clock
        return try CatalogStore(path: path, now: { clock.now() })
    }

    private func storePaths(_ store: String?, known: [String]) throws -> [String] {
        if let store {
            let path = try Paths.absolute(store)
            guard try Paths.exists(path + "/volume.json") else {
                throw Problem(
                    .notFound, "\(path) is not a store: it has no volume.json",
                    hint: "name the folder that holds volume.json and snapshots/")
            }
            return [path]
        }
        let folder = FileFolder(path: options.state.path)
        let names = try folder.exists("stores") ? try folder.list("stores") : []
        let own = names.map { options.state.defaultStorePath(volume: $0) }
        return try Set(known + own).filter { try Paths.exists($0 + "/volume.json") }.sorted()
    }

    /// All are read before one changes hands: of what cannot be read, nothing is taken.
    private func read(
        _ paths: [String], _ stores: FoundStores, _ context: ManagerContext, takesOver: Bool
    ) throws -> [RebuiltCatalog.Volume] {
        let contents = try paths.map { path in
            try context.end.check()
            return stores.trusted(try StoreContents.read(path))
        }
        try takeOwnership(of: paths, context, takesOver: takesOver)
        return contents
    }

    /// Makes stores this state's that belong to none, or that it was told to take.
    private func takeOwnership(
        of paths: [String], _ context: ManagerContext, takesOver: Bool
    ) throws {
        let ownership = StoreOwnership(context: context)
        for path in paths {
            let record = try StoreReader(folder: FileFolder(path: path)).record
            if takesOver {
                try ownership.takeOver(path)
            } else {
                try ownership.require(record, storePath: path)
                try ownership.adopt(VolumeRow(record: record, storePath: path), record)
            }
        }
    }

    private static func adopt(_ contents: RebuiltCatalog.Volume, _ context: ManagerContext) throws {
        try context.catalog.adopt(contents)
        try recordSizes(contents.row.record.name, context)
    }

    private static func recordSizes(_ name: String, _ context: ManagerContext) throws {
        let volume = try context.volume(name)
        let books = AreaBookkeeper(context, volume)
        let rows = try context.catalog.snapshots(volume: name).filter { $0.phase == .present }
        try context.catalog.setSizes(
            rows.reduce(into: [:]) { $0[$1.id] = try books.sizes(of: $1) })
    }

    private static func log(_ report: RebuildReport, _ context: ManagerContext) throws {
        let names = report.volumes.map(\.name).joined(separator: ", ")
        try context.log(
            .warning, .catalogRebuilt,
            "the catalog was rebuilt from the stores of \(names.isEmpty ? "no volume" : names)")
    }
}

// MARK: - A damaged catalog

extension RebuildService {
    private func replaceDamaged(store: String?, takesOver: Bool) throws -> RebuildReport {
        // A damaged catalog may still tell where stores lie, and who holds what.
        let old = try? open(options.state.catalogPath)
        let known = (try? old?.volumes()) ?? []
        let holds = (try? old?.holds()) ?? []
        let clock = try? old?.clock()
        let stores = FoundStores(known: known, note: options.operation.onNote)
        let paths = try stores.select(try storePaths(store, known: known.map(\.storePath)))
        let fresh = options.state.catalogPath + ".rebuilt"
        for suffix in ["", "-wal", "-shm"] { try Paths.remove(fresh + suffix) }
        // In a function of its own, so that the new catalog is closed before it is renamed.
        var report = try write(to: fresh, holds, clock) { context in
            try read(paths, stores, context, takesOver: takesOver)
        }
        report.damagedCatalogPath = try exchange(fresh)
        return report
    }

    private func write(
        to path: String, _ holds: [HoldRow], _ clock: ClockRow?,
        _ read: (ManagerContext) throws -> [RebuiltCatalog.Volume]
    ) throws -> RebuildReport {
        let context = ManagerContext(catalog: try open(path), options: options)
        let contents = try read(context)
        var report = RebuildReport(volumes: [], damagedCatalogPath: nil)
        for volume in contents { report.add(volume) }
        try context.catalog.replaceAll(with: RebuiltCatalog(volumes: contents))
        // A clock in doubt stays so.
        if let clock { try context.catalog.setClock(clock) }
        for hold in holds {
            // A hold on a snapshot that no store has holds nothing.
            try? context.catalog.hold(
                hold.snapshot, owner: hold.owner, reason: hold.reason, until: hold.until)
        }
        for volume in contents { try Self.recordSizes(volume.row.record.name, context) }
        try Self.log(report, context)
        return report
    }

    /// Puts the new catalog in the place of the damaged one, which gets another name. At any moment
    /// there is one or the other, so that no command finds none and begins an empty one.
    private func exchange(_ fresh: String) throws -> String {
        let path = options.state.catalogPath
        let aside = path + ".damaged-\(options.operation.clock.now().secondsSinceEpoch)"
        guard link(path, aside) == 0 else { throw IOFailure("keep", path: path, code: errno) }
        // The old log must not be replayed into the new file.
        for suffix in ["-wal", "-shm"] where try Paths.exists(path + suffix) {
            try Paths.rename(path + suffix, to: aside + suffix)
        }
        try Paths.rename(fresh, to: path)
        try FileFolder(path: options.state.path).syncFolder("")
        return aside
    }
}

extension RebuildReport {
    fileprivate mutating func add(_ contents: RebuiltCatalog.Volume) {
        volumes.append(
            Volume(
                name: contents.row.record.name, storePath: contents.row.storePath,
                snapshotCount: contents.manifests.count { !$0.isDeleted }))
    }
}
