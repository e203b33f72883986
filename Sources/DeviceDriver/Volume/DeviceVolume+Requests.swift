package import System
package import DeviceMapper
internal import MergeKit
internal import StoreFormat
package import SnapshotModel
internal import VolumeAccess

// What sessions ask for besides snapshots and reverts.
extension DeviceVolume {
    /// Takes the store's lock. Nil when another process has it.
    package static func openUnlessHeld(
        storePath: String, purpose: String, mapper: any DeviceMapping, clock: any Clock
    ) throws(Problem) -> DeviceVolume? {
        // The kernel names the backing files of loop devices by their real paths.
        let path = try doing { () throws(IOFailure) in try FileFolder.realPath(storePath) }
        let folder = FileFolder(path: path)
        let record = try StoreReader(folder: folder).record
        guard record.driver == DeviceVolumeDriver.driverName else {
            throw Problem(
                .refused, "volume \(record.name) is an image, and has no devices",
                hint: "serve it: \(.serve(record.name))")
        }
        guard let lock = try StoreHolder.lock(folder, purpose: purpose) else { return nil }
        return try DeviceVolume(folder: folder, lock: lock, mapper: mapper, clock: clock)
    }

    /// What the store can be asked now. The origin need not be there.
    func stored() throws(Problem) -> StoredVolume {
        try reload()
        return StoredVolume(store, state)
    }

    func status() throws(Problem) -> VolumeStatus {
        let snapshots = try stored().snapshots(readers: views())
        return VolumeStatus(
            record: record, snapshots: snapshots, merge: try mergeProgress(),
            storeBytes: try store.areaBytes(), freeBytes: try store.freeBytes(),
            warnings: warnings)
    }

    // MARK: Deleting

    /// `.refused` while somebody has one of the snapshots open, naming who.
    func delete(_ ids: [SnapshotID]) throws(Problem) -> DeleteReport {
        try requireRunning()
        try requireUnviewed(ids)
        try sweepViews(Set(ids))
        let report = try stored().delete(ids)
        try reload()
        if try stack.isActive() { try tidy() }
        return report
    }

    func collect() throws(Problem) -> CollectReport {
        let report = try stored().collect()
        try reload()
        return report
    }

    func label(_ id: SnapshotID, _ labels: SnapshotLabels) throws(Problem) {
        try requireRunning()
        try stored().label(id, labels)
        try reload()
    }

    // MARK: Exporting

    /// Copies a snapshot to a new file, through its device.
    func export(
        _ id: SnapshotID, to path: String, for client: any RequestClient
    ) throws(Problem) -> Int {
        let view = try openView(id)
        // Stays when somebody else has it open.
        defer { try? sweepViews([id]) }
        let source = try doing { () throws(IOFailure) in
            try FileDevice(path: view, access: .readOnly)
        }
        return try SnapshotExport(path: path).write(
            source, named: "snapshot \(id)", for: RefillingClient(client, self))
    }

    /// How often what is reserved ahead is looked after by a command that takes long.
    static let refillMilliseconds = 1000
}

/// Looks after what is reserved ahead whenever there is progress: the daemon leaves the volume to
/// whoever has its lock.
final class RefillingClient: RequestClient {
    private let client: any RequestClient
    private let volume: DeviceVolume
    private var refilled = Deadline(milliseconds: DeviceVolume.refillMilliseconds)

    init(_ client: any RequestClient, _ volume: DeviceVolume) {
        self.client = client
        self.volume = volume
    }

    var isGone: Bool { client.isGone }

    func report(_ progress: TransferProgress) {
        client.report(progress)
        guard refilled.hasPassed else { return }
        try? volume.refill()
        refilled = Deadline(milliseconds: DeviceVolume.refillMilliseconds)
    }
}
