internal import BlockIO
internal import Catalog
internal import DeviceDriver
internal import DeviceMapper
internal import StoreFormat
internal import SnapshotModel
internal import OriginAccess

extension VolumeService {
    /// Takes what the path leads to for the volume's origin from now on: it was moved, restored or
    /// replaced on purpose. Its content is not looked at.
    ///
    /// - Throws: `locked` when somebody has the volume open, `refused` when the volume is active or
    ///   another program has the origin open.
    package func setOrigin(_ name: String, to path: String) throws -> VolumeSummary {
        let volume = try context.volume(name)
        try context.withLocks([volume]) {
            let record = try context.anyReader(volume).record
            try StoreOwnership(context: context).require(record, storePath: volume.storePath)
            guard try volume.record.driver == .image || !context.glance(volume).hasDevices else {
                throw Problem(
                    .refused, "volume \(name) is active: the kernel has its origin",
                    hint: "run `snapmgr deactivate \(name)` first")
            }
            let folder = FileFolder(path: volume.storePath)
            guard let lock = try StoreHolder.lock(folder, purpose: "snapmgr volume set") else {
                throw StoreHolder.lockedProblem(store: folder)
            }
            defer { withExtendedLifetime(lock) {} }
            try setOrigin(of: volume, to: path, Store(folder: folder))
        }
        return try show(name)
    }

    private func setOrigin(of volume: VolumeRow, to path: String, _ store: Store) throws {
        var record = try store.volume()
        let named = try VolumeCreation.originPath(path, driver: record.driver)
        let path =
            record.driver == .dm ? DeviceOrigin.lastingPath(named, note: context.note) : named
        let probe = try OriginProbe(path: path)
        try probe.requireUnmanaged(
            by: try context.catalog.volumes().filter { $0.record.uuid != record.uuid })
        try probe.requireStoreElsewhere(volume.storePath)
        try Self.require(probe, record)
        let locked = try OriginGuard.acquire(path: path, volume: record.name, recorded: nil)
        defer { withExtendedLifetime(locked) {} }
        record.originPath = path
        if record.driver == .image { record.originIdentity = locked.identity }
        if record.driver == .dm { record.deviceIdentity = try Self.marks(path) }
        let stamp = try locked.open().stamp()
        // A crash after this leaves a store that names another origin than the catalog, which is
        // refused until this command is run again.
        try store.writeVolume(record)
        try store.writeOriginState(
            OriginState(isClosed: record.driver == .image && stamp != nil, stamp: stamp))
        var row = volume
        row.record.originPath = path
        try context.catalog.updateVolume(row)
        try context.log(.originSet, "the volume's origin is \(path)", volume: record.name)
    }

    /// By what a device under device-mapper is known from now on; nil where the machine knows nothing.
    private static func marks(_ path: String) throws -> [String: String]? {
        let marks = DeviceMarks.of(try BlockDevices.number(path))
        return marks.isEmpty ? nil : marks
    }

    private static func require(_ probe: OriginProbe, _ record: VolumeRecord) throws {
        guard record.driver == .image || probe.status.kind == .blockDevice else {
            throw Problem(
                .failed, "the origin \(probe.path) is no block device",
                hint: "name the device that holds the data of volume \(record.name)")
        }
        guard probe.byteCount >= record.geometry.volumeBytes else {
            throw Problem(
                .refused,
                "the origin \(probe.path) has \(probe.byteCount) bytes, volume \(record.name) "
                    + "\(record.geometry.volumeBytes)",
                hint: "name the file or device that holds the whole volume")
        }
    }
}
