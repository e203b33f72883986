import DeviceMapper
import SnapshotModel

/// The kernel's side of a snapshot: `snapshot-origin` and, while attached, `snapshot`.
final class SnapshotStack {
    /// The volume below the kernel's snapshots: written to only while none is attached.
    let originPath: String
    private let devices: ScratchDevices
    private let geometry: Geometry
    private let top = DeviceName(volume: "format", .mounted)
    private let snapshot = DeviceName(volume: "format", .snapshot(SnapshotOrdinal(rawValue: 1)))

    init(devices: ScratchDevices, origin: String, geometry: Geometry) {
        self.devices = devices
        self.geometry = geometry
        originPath = origin
    }

    /// The volume as users have it, while the snapshot is attached.
    var topPath: String { top.path }
    var snapshotPath: String { snapshot.path }

    private var sectorCount: Int { geometry.volumeBytes / Geometry.sectorBytes }

    /// Takes or goes on with the snapshot whose exceptions are in `area`.
    func attach(area: String) throws {
        try devices.create(
            top, DeviceTable(sectorCount: sectorCount, .snapshotOrigin(.path(originPath))))
        try devices.mapper.suspend(top, freezesFilesystem: false, flushes: true)
        try devices.create(
            snapshot,
            DeviceTable(
                sectorCount: sectorCount,
                .snapshot(
                    origin: .path(originPath), exceptions: .path(area),
                    chunkSectors: geometry.chunkBytes / Geometry.sectorBytes)))
        try devices.mapper.resume(top)
    }

    /// Takes both devices away; the area stays as it is.
    func detach() throws {
        try devices.mapper.suspend(top, freezesFilesystem: false, flushes: true)
        try devices.mapper.remove(snapshot)
        try devices.mapper.resume(top)
        try devices.mapper.remove(top)
    }

    func snapshotStatus() throws -> SnapshotTargetStatus {
        try require(try devices.mapper.status(snapshot).first?.snapshot, "status of the snapshot")
    }
}
