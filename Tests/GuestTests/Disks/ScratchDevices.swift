import DeviceMapper
import SnapshotModel

/// Device-mapper devices of one case, which go when it ends.
final class ScratchDevices {
    let mapper = KernelDeviceMapper()
    private let context: GuestContext

    init(_ context: GuestContext) { self.context = context }

    /// Makes a device; it is removed when the case ends, if it is still there.
    func create(_ name: DeviceName, _ table: DeviceTable) throws {
        let mapper = mapper
        context.cleanUp { try Self.remove(name, from: mapper) }
        try mapper.create(name, uuid: Self.uuid(name), isReadOnly: false, table: table)
    }

    /// Makes a device of exactly this size from a disk's start on, and returns its path.
    ///
    /// - Parameters:
    ///   - start: where it begins on the disk, in bytes.
    ///   - vacant: bytes of the device that are on no disk; they read as zeroes, and what is written
    ///     there is lost.
    func make(
        _ label: String, bytes: Int, on disk: String, from start: Int = 0,
        vacant: Range<Int> = 0..<0
    ) throws -> String {
        let name = Self.name(label)
        let sector = Geometry.sectorBytes
        let parts: [(sectorCount: Int, target: Target)] = [
            (
                vacant.lowerBound / sector,
                .linear(device: .path(disk), offset: start / sector)
            ),
            (vacant.count / sector, .zero),
            (
                (bytes - vacant.upperBound) / sector,
                .linear(device: .path(disk), offset: (start + vacant.lowerBound) / sector)
            ),
        ]
        try create(name, DeviceTable(consecutive: parts.filter { $0.sectorCount > 0 }))
        return name.path
    }

    /// A name that no volume's device has.
    static func name(_ label: String) -> DeviceName { DeviceName(volume: label, .mounted) }

    private static func uuid(_ name: DeviceName) -> String {
        DeviceIdentity.prefix + "TEST-" + name.text
    }

    /// Removes a device if there is one, whatever state a failed case left it in.
    private static func remove(_ name: DeviceName, from mapper: KernelDeviceMapper) throws {
        guard let info = try mapper.info(name) else { return }
        if info.isSuspended, info.hasLiveTable || info.hasInactiveTable { try mapper.resume(name) }
        try mapper.remove(name)
    }
}
