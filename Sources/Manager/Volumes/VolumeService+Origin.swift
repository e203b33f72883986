internal import System
internal import Catalog
internal import StoreFormat
internal import SnapshotModel
internal import VolumeAccess

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
            guard try !context.inspector(volume).hasDevices else {
                throw Problem(
                    .refused, "volume \(name) is active: the kernel has its origin",
                    hint: "run \(.deactivate(name)) first")
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
        let (record, driver) = (try store.volume(), try context.driver(of: volume))
        let path = try VolumeCreation.originPath(path, driver, note: context.note)
        let probe = try OriginProbe(path: path)
        try probe.requireUnmanaged(
            by: try context.catalog.volumes().filter { $0.record.uuid != record.uuid })
        try probe.requireStoreElsewhere(volume.storePath)
        try driver.requireKind(
            isBlockDevice: probe.status.kind == .blockDevice, path: path, volume: record.name)
        try Self.require(probe, record)
        let claim = try driver.setOrigin(
            path, of: VolumePlace(record, storePath: volume.storePath))
        defer { withExtendedLifetime(claim) {} }
        var row = volume
        row.record.originPath = path
        try context.catalog.updateVolume(row)
        try context.log(.originSet, "the volume's origin is \(path)", volume: record.name)
    }

    private static func require(_ probe: OriginProbe, _ record: VolumeRecord) throws {
        guard probe.byteCount >= record.geometry.volumeBytes else {
            throw Problem(
                .refused,
                "the origin \(probe.path) has \(probe.byteCount) bytes, volume \(record.name) "
                    + "\(record.geometry.volumeBytes)",
                hint: "name the file or device that holds the whole volume")
        }
    }
}
