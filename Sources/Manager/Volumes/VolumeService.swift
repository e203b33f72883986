internal import System
internal import Catalog
package import SnapshotModel
internal import StoreFormat
internal import VolumeAccess

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
    package var driver: DriverName

    /// What a volume gets when nobody chooses, in bytes.
    package static let defaultChunkBytes = 16 * 1024
    package static let defaultDriver: DriverName = "image"

    package init(
        name: String, originPath: String, storePath: String? = nil, createBytes: Int? = nil,
        chunkBytes: Int = CreateRequest.defaultChunkBytes,
        storeFullPolicy: StoreFullPolicy? = nil, driver: DriverName = CreateRequest.defaultDriver
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
        try create(request, replacing: nil)
        return try show(request.name)
    }

    /// - Parameter clone: the clone that the volume takes the place, and maybe the name, of.
    func create(_ request: CreateRequest, replacing clone: CloneRow?) throws {
        try validate(request)
        let driver = try driver(for: request)
        try context.requireFreeVolumeName(request.name, replacing: clone)
        try context.withLock(ofName: request.name) {
            // Again: another command may have been faster.
            try context.requireFreeVolumeName(request.name, replacing: clone)
            let volumes = try context.catalog.volumes()
            try VolumeCreation(
                context: context, request: request, driver: driver, volumes: volumes
            ).run()
        }
    }

    /// An origin that is no file is known by its name.
    private func driver(for request: CreateRequest) throws -> any VolumeDriver {
        guard request.driver == CreateRequest.defaultDriver,
            let named = try context.drivers.driver(ofOrigin: request.originPath)
        else { return try context.drivers.driver(named: request.driver) }
        return named
    }

    static func requireValid(_ name: String) throws {
        guard VolumeRecord.isValidName(name) else {
            throw Problem(
                .usage, "`\(name)` cannot be a volume's name",
                hint: "use 1 to 64 letters, digits, `.`, `_` and `-`, a letter or digit first")
        }
    }

    private func validate(_ request: CreateRequest) throws {
        try Self.requireValid(request.name)
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
        return try context.catalog.volumes().map { volume in
            do { return try summary(of: volume, remembers: true) } catch {
                context.note(Problem(error).about("volume \(volume.record.name)").message)
                return try summaryInDoubt(of: volume, remembers: true)
            }
        }
    }

    package func show(_ name: String) throws -> VolumeSummary {
        try Reconciler(context).tidy([name])
        return try summary(of: try context.volume(name), remembers: true)
    }

    /// - Parameter remembers: whether the catalog may remember what was counted.
    func summary(of volume: VolumeRow, remembers: Bool) throws -> VolumeSummary {
        let name = volume.record.name
        return VolumeSummary(
            record: volume.record, storePath: volume.storePath,
            snapshotCount: try context.catalog.snapshotCount(volume: name),
            cloneCount: try context.catalog.clones(volume: name).count,
            storeBytes: try? StoreCount(context, volume).bytes(remembers: remembers),
            state: try state(of: volume),
            devicePath: try? context.inspector(volume).devicePath)
    }

    /// What the catalog knows of a volume whose store cannot be looked at.
    func summaryInDoubt(of volume: VolumeRow, remembers: Bool) throws -> VolumeSummary {
        VolumeSummary(
            record: volume.record, storePath: volume.storePath,
            snapshotCount: try context.catalog.snapshotCount(volume: volume.record.name),
            cloneCount: try context.catalog.clones(volume: volume.record.name).count,
            storeBytes: try? StoreCount(context, volume).bytes(remembers: remembers),
            state: (try? state(of: volume)) ?? .missing,
            devicePath: try? context.inspector(volume).devicePath)
    }

    func state(of volume: VolumeRow) throws -> VolumeCondition {
        guard let reader = try? context.reader(volume),
            try !volume.record.hasOriginPath || Paths.exists(volume.record.originPath)
        else { return .missing }
        let latest = try context.catalog.latestSnapshot(volume: volume.record.name)
        if latest?.state == .broken { return .broken }
        let isMerging = (try? reader.runningRevert()) != nil
        return try context.inspector(volume).state(isMerging: isMerging)
    }
}
