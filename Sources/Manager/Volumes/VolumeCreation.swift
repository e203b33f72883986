internal import System
internal import Catalog
internal import FoundationEssentials
internal import StoreFormat
internal import SnapshotModel
internal import VolumeAccess

/// Makes one volume, while no other command can make one of its name.
///
/// The store comes first, and names this state as its owner; then a new image; then the catalog. A
/// creation that was cut short is finished by the next one of the same name: what it has left holds
/// nobody's data.
struct VolumeCreation {
    let context: ManagerContext
    let request: CreateRequest
    let driver: any VolumeDriver
    let volumes: [VolumeRow]

    func run() throws {
        let named = try driver.originName(request.originPath)
        let origin =
            try named ?? Self.originPath(request.originPath, driver, note: context.note)
        let site = StoreSite(
            path: try Paths.absolute(
                request.storePath ?? context.state.defaultStorePath(volume: request.name)))
        try site.requireFit(origin: origin, volumes: volumes)
        let vacancy = try vacancy(site)
        try driver.check(
            NewVolume(
                makesOrigin: request.createBytes != nil,
                storeFullPolicy: request.storeFullPolicy))
        try driver.requireMachine()
        if let named {
            try make(site, named: named)
        } else if let byteCount = request.createBytes {
            let image = NewImage(path: origin, byteCount: byteCount, driver: driver)
            try image.requireFree(unfinished: vacancy.unfinished, volumes)
            try make(site, image)
        } else {
            try make(site, origin: origin)
        }
        noteNesting()
    }

    /// A store on another volume is good for all but a set of both.
    private func noteNesting() {
        guard let volume = try? context.volume(request.name) else { return }
        for other in volumes {
            do { try context.requireIndependent([volume, other]) } catch {
                let problem = Problem(error)
                guard problem.code == .refused else { continue }
                context.note("no set can have both: \(problem.message)")
            }
        }
    }

    private func vacancy(_ site: StoreSite) throws -> StoreSite.Vacancy {
        try site.vacancy(
            for: request.name, volumes: volumes,
            owner: try StateIdentity(context.state).read())
    }

    /// The path under which an origin is remembered, however it was given.
    static func originPath(
        _ path: String, _ driver: any VolumeDriver, note: (String) -> Void
    ) throws -> String {
        let path = try Paths.fromRoot(path)
        return try driver.lastingPath(path, note: note) ?? Paths.absolute(path)
    }

    // MARK: Origins

    /// Takes what is there for the origin.
    private func make(_ site: StoreSite, origin: String) throws {
        let probe = try probe(origin, site)
        let claim = try driver.claimOrigin(origin, volume: request.name, recorded: nil)
        defer { withExtendedLifetime(claim) {} }
        var record = try record(origin, byteCount: probe.byteCount)
        record.originIdentity = claim?.identity
        let isNewFolder = try !Paths.exists(site.path)
        try withStore(site) { try write(site, record, isNewFolder: $0) }
        if driver.devices != nil {
            try bringUp(VolumeRow(record: record, storePath: site.path), site, isNewFolder)
        }
    }

    /// Takes an origin that is no file: it notes itself whose it is, before the catalog does.
    private func make(_ site: StoreSite, named origin: String) throws {
        try OriginProbe.requireUnmanaged(named: origin, by: volumes)
        let record = try record(origin, byteCount: driver.byteCount(ofOrigin: origin))
        let place = VolumePlace(record, storePath: site.path)
        try withStore(site) { isNewFolder in
            try write(site, record, isNewFolder: isNewFolder) {
                try driver.markOrigin(of: place)
                do { try enter(record, site) } catch {
                    try? driver.clearOrigin(of: place)
                    throw error
                }
            }
        }
    }

    /// Makes a new image for the origin.
    private func make(_ site: StoreSite, _ image: NewImage) throws {
        let record = try record(image.path, byteCount: image.byteCount)
        try withStore(site) { isNewFolder in
            try write(site, record, isNewFolder: isNewFolder) {
                try finish(image, site, record)
            }
        }
    }

    /// Makes the image of a store that is there, so that it is known whose it is when this is cut
    /// short.
    private func finish(_ image: NewImage, _ site: StoreSite, _ record: VolumeRecord) throws {
        try image.make()
        do {
            _ = try probe(image.path, site)
            let claim = try driver.claimOrigin(image.path, volume: request.name, recorded: nil)
            defer { withExtendedLifetime(claim) {} }
            var record = record
            record.originIdentity = claim?.identity
            try Store(folder: FileFolder(path: site.path)).writeVolume(record)
            try enter(record, site)
        } catch {
            // The image that this command has just made, and nobody has written to.
            try? Paths.remove(image.path)
            throw error
        }
    }

    /// What is to become the origin, after everything was asked that could be in its way.
    private func probe(_ path: String, _ site: StoreSite) throws -> OriginProbe {
        let probe = try OriginProbe(path: path, isNew: true)
        try driver.requireKind(
            isBlockDevice: probe.status.kind == .blockDevice, path: path, volume: nil)
        try probe.requireUnmanaged(by: volumes)
        try probe.requireStoreElsewhere(site.path)
        try driver.requireUsable(
            path, byteCount: probe.byteCount, chunkBytes: request.chunkBytes)
        return probe
    }

    private func record(_ origin: String, byteCount: Int) throws -> VolumeRecord {
        var record = VolumeRecord(
            name: request.name, uuid: UUID().uuidString.lowercased(), driver: driver.name,
            originPath: origin,
            geometry: Geometry(volumeBytes: byteCount, chunkBytes: request.chunkBytes),
            storeFullPolicy: request.storeFullPolicy ?? driver.traits.storeFullPolicy,
            createdAt: context.clock.now())
        record.owner = try StoreOwnership(context: context).own()
        return record
    }

    // MARK: The store

    /// Runs `body` with the store's folder made and locked, if it is still free; it is told whether
    /// the folder is new.
    private func withStore(_ site: StoreSite, _ body: (Bool) throws -> Void) throws {
        let isNewFolder = try !Paths.exists(site.path)
        try Paths.makeFolders(site.path)
        // Somebody may have been faster, where others can make folders.
        try OwnerTrust.require("the store", at: site.path)
        let folder = FileFolder(path: site.path)
        guard let lock = try StoreHolder.lock(folder, purpose: "snapmgr volume create") else {
            throw StoreHolder.lockedProblem(store: folder)
        }
        defer { withExtendedLifetime(lock) {} }
        _ = try vacancy(site)
        try body(isNewFolder)
    }

    /// Writes the store, and then into the catalog; what was made is taken back when that fails.
    private func write(
        _ site: StoreSite, _ record: VolumeRecord, isNewFolder: Bool,
        _ enter: (() throws -> Void)? = nil
    ) throws {
        do {
            let note = record.hasAreas ? try site.requireLargeFiles(record, driver.traits) : nil
            try Store(folder: FileFolder(path: site.path)).create(record)
            if let enter { try enter() } else { try self.enter(record, site) }
            if let note { context.note(note) }
        } catch {
            site.abandon(record.uuid, includingFolder: isNewFolder)
            throw error
        }
    }

    private func enter(_ record: VolumeRecord, _ site: StoreSite) throws {
        try context.catalog.atomically("recording a volume") {
            try context.catalog.insertVolume(VolumeRow(record: record, storePath: site.path))
            try context.log(
                .volumeCreated, "the volume was created on \(record.originPath)",
                volume: record.name)
        }
    }

    // MARK: Devices

    /// Makes the devices of a volume that has just been recorded; when that fails, takes down what
    /// there is, and forgets the volume.
    private func bringUp(_ volume: VolumeRow, _ site: StoreSite, _ isNewFolder: Bool) throws {
        let activations = ActivationService(context: context)
        do {
            _ = try activations.activate(volume, acceptsOrigin: false, isDryRun: false)
        } catch {
            _ = try? activations.deactivate(volume)
            try context.catalog.removeVolume(named: volume.record.name)
            _ = try site.remove(of: volume.record.uuid, includingFolder: isNewFolder)
            throw error
        }
    }
}

/// A sparse image that is to be made.
struct NewImage {
    let path: String
    let byteCount: Int
    let driver: any VolumeDriver

    /// - Parameter unfinished: the record that a creation which was cut short has left: an image
    ///   that it names, and that holds nothing, is its own.
    func requireFree(unfinished: VolumeRecord?, _ volumes: [VolumeRow]) throws {
        guard byteCount >= OriginProbe.minimumBytes, byteCount % Geometry.sectorBytes == 0,
            byteCount <= Geometry.volumeBytesMaximum
        else {
            throw Problem(
                .usage, "a volume cannot have \(byteCount) bytes",
                hint: "choose a multiple of \(Geometry.sectorBytes), at least "
                    + "\(OriginProbe.minimumBytes)")
        }
        guard try Paths.exists(path) else { return }
        let taken = Problem(
            .exists, "the origin \(path) exists already",
            hint: "leave out --create-size to manage it as it is")
        guard let unfinished, unfinished.originPath == path, try isEmpty() else { throw taken }
        try OriginProbe.requireUnmanaged(path, FileStatus(path: path), by: volumes)
        // Whoever has come to use it meanwhile keeps it, and what he may have written.
        let claim = try driver.claimOrigin(
            path, volume: unfinished.name, recorded: unfinished.originIdentity)
        defer { withExtendedLifetime(claim) {} }
        guard try isEmpty() else { throw taken }
        try Paths.remove(path)
    }

    private func isEmpty() throws -> Bool {
        let status = try FileStatus(path: path)
        return status.kind == .file && status.allocatedBytes == 0
    }

    /// Makes it; the name must be free.
    func make() throws {
        let device = try FileDevice(path: path, access: .create)
        do {
            try device.resize(to: byteCount)
            try device.sync()
            try Paths.syncName(of: path)
        } catch {
            try? Paths.remove(path)
            throw error
        }
    }
}
