internal import BlockIO
internal import Catalog
internal import FoundationEssentials
internal import MergeKit
package import SnapshotModel

/// What `volume create` is told.
package struct CreateRequest: Hashable, Sendable {
    package var name: String
    package var originPath: String
    /// Nil is the default place below the state folder.
    package var storePath: String?
    /// Makes a new image of so many bytes; nil takes what is there.
    package var createBytes: Int?
    package var chunkBytes: Int
    /// Nil is what the driver does by default.
    package var storeFullPolicy: StoreFullPolicy?
    package var driver: VolumeDriver

    /// What a volume gets when nobody chooses, in bytes.
    package static let defaultChunkBytes = 16 * 1024

    package init(
        name: String, originPath: String, storePath: String? = nil, createBytes: Int? = nil,
        chunkBytes: Int = CreateRequest.defaultChunkBytes,
        storeFullPolicy: StoreFullPolicy? = nil, driver: VolumeDriver = .image
    ) {
        self.name = name
        self.originPath = originPath
        self.storePath = storePath
        self.createBytes = createBytes
        self.chunkBytes = chunkBytes
        self.storeFullPolicy = storeFullPolicy
        self.driver = driver
    }
}

/// Puts origins under management, and takes them out again.
package struct VolumeService {
    let context: ManagerContext

    package func create(_ request: CreateRequest) throws -> VolumeSummary {
        try validate(request)
        let volumes = try context.catalog.volumes()
        if volumes.contains(where: { $0.record.name == request.name }) {
            throw Problem(
                .exists, "there is a volume \(request.name) already",
                hint: "run `snapmgr volume show \(request.name)`, or choose another name")
        }
        let origin =
            request.driver == .dm
            ? try Paths.fromRoot(request.originPath) : try Paths.absolute(request.originPath)
        let store = StoreSite(
            path: try Paths.absolute(
                request.storePath ?? context.state.defaultStorePath(volume: request.name)))
        try store.requireFit(origin: origin, volumes: volumes)
        guard request.driver == .image else { return try createDevice(request, origin, store) }
        if let bytes = request.createBytes { try OriginProbe.create(origin, byteCount: bytes) }
        do {
            let probe = try OriginProbe(path: origin)
            try probe.requireUnmanaged(by: volumes)
            return try create(request, probe, store)
        } catch {
            // The image that this command has just made, and nobody has written to.
            if request.createBytes != nil { try? Paths.remove(origin) }
            throw error
        }
    }

    /// The store first, then the catalog: a crash in between leaves a store that
    /// `catalog rebuild --store` takes over.
    private func create(
        _ request: CreateRequest, _ origin: OriginProbe, _ store: StoreSite
    ) throws -> VolumeSummary {
        let record = VolumeRecord(
            name: request.name, uuid: UUID().uuidString.lowercased(), driver: request.driver,
            originPath: origin.path,
            geometry: Geometry(volumeBytes: origin.byteCount, chunkBytes: request.chunkBytes),
            storeFullPolicy: request.storeFullPolicy ?? request.driver.storeFullPolicy,
            createdAt: context.clock.now())
        let row = VolumeRow(record: record, storePath: store.path)
        let isNewFolder = try store.create(record)
        do {
            try context.catalog.atomically("recording a volume") {
                try context.catalog.insertVolume(row)
                try context.log(
                    .volumeCreated, "the volume was created on \(origin.path)",
                    volume: request.name)
            }
            if request.driver == .dm { try bringUp(row) }
        } catch {
            _ = try? store.remove(of: record.uuid, includingFolder: isNewFolder)
            throw error
        }
        return try show(request.name)
    }

    /// Makes the devices of a volume that has just been recorded; when that fails, takes down what
    /// there is, and forgets the volume.
    private func bringUp(_ volume: VolumeRow) throws {
        let activations = ActivationService(context: context)
        try context.withLocks([volume]) {
            do {
                _ = try activations.activate(volume, acceptsOrigin: false, isDryRun: false)
            } catch {
                _ = try? activations.deactivate(volume)
                try? context.catalog.removeVolume(named: volume.record.name)
                throw error
            }
        }
    }

    private func createDevice(
        _ request: CreateRequest, _ origin: String, _ store: StoreSite
    ) throws -> VolumeSummary {
        guard request.createBytes == nil else {
            throw Problem(
                .usage, "a block device is not made: it must be there",
                hint: "leave out --create-size, or use --driver image")
        }
        guard request.storeFullPolicy != .breakWrites else {
            throw Problem(
                .usage,
                "a write to a volume under device-mapper cannot fail for want of space in its "
                    + "store: the kernel gives the snapshots up",
                hint: "leave out --when-full, and let `snapmgr daemon` make room before")
        }
        let mapper = context.sessions.mapper
        try DeviceOrigin.requireMachine(mapper)
        let probe = try DeviceOrigin(path: origin, mapper: mapper).probe(
            store: store.path, volumes: try context.catalog.volumes(),
            chunkBytes: request.chunkBytes)
        return try create(request, probe, store)
    }

    private func validate(_ request: CreateRequest) throws {
        guard VolumeRecord.isValidName(request.name) else {
            throw Problem(
                .usage, "`\(request.name)` cannot be a volume's name",
                hint: "use 1 to 64 letters, digits, `.`, `_` and `-`, a letter or digit first")
        }
        let allowed = Geometry.chunkBytesAllowed
        guard allowed.contains(request.chunkBytes), request.chunkBytes.nonzeroBitCount == 1 else {
            throw Problem(
                .usage, "a chunk cannot have \(request.chunkBytes) bytes",
                hint: "choose a power of two from \(ByteCount(allowed.lowerBound)) to "
                    + "\(ByteCount(allowed.upperBound))")
        }
    }
}

// MARK: - Looking

extension VolumeService {
    /// All volumes by name.
    package func list() throws -> [VolumeSummary] {
        try Reconciler(context).tidy([])
        return try context.catalog.volumes().map { try summary(of: $0) }
    }

    package func show(_ name: String) throws -> VolumeSummary {
        try Reconciler(context).tidy([name])
        return try summary(of: try context.volume(name))
    }

    func summary(of volume: VolumeRow) throws -> VolumeSummary {
        let name = volume.record.name
        return VolumeSummary(
            record: volume.record, storePath: volume.storePath,
            snapshotCount: try context.catalog.snapshotCount(volume: name),
            storeBytes: try? StoreUsage.bytes(volume.storePath), state: try state(of: volume))
    }

    func state(of volume: VolumeRow) throws -> VolumeState {
        guard let reader = try? context.reader(volume),
            try Paths.exists(volume.record.originPath)
        else { return .missing }
        let latest = try context.catalog.latestSnapshot(volume: volume.record.name)
        if latest?.state == .broken { return .broken }
        let isMerging = (try? reader.runningRevert()) != nil
        switch volume.record.driver {
        case .image:
            if isMerging { return .merging }
            return try VolumeLock.isTaken(volume) ? .served : .idle
        case .dm:
            guard context.isActive(volume) else { return .inactive }
            return isMerging ? .merging : .active
        }
    }
}

extension VolumeDriver {
    /// What is done when the store is full and nobody has chosen: the kernel can only give the
    /// snapshots up.
    fileprivate var storeFullPolicy: StoreFullPolicy {
        switch self {
        case .image: .breakWrites
        case .dm: .breakSnapshots
        }
    }
}
