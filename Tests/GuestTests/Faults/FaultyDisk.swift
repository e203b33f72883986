import DeviceMapper
import SnapshotModel

/// A disk that fails when it is told to: a device-mapper device whose table changes under its users.
final class FaultyDisk {
    let path: String
    private let name: DeviceName
    private let disk: String
    private let sectors: Int
    private let mapper: KernelDeviceMapper

    /// A disk without faults, of the first bytes of a scratch disk.
    init(_ devices: ScratchDevices, _ label: String, on disk: String, bytes: Int) throws {
        name = ScratchDevices.name(label)
        path = name.path
        self.disk = disk
        sectors = bytes / Geometry.sectorBytes
        mapper = devices.mapper
        try devices.create(name, whole(.linear(device: .path(disk), offset: 0)))
    }

    private func whole(_ target: Target) -> DeviceTable {
        DeviceTable(sectorCount: sectors, target)
    }

    private func replace(_ table: DeviceTable) throws {
        try mapper.load(name, table: table, isReadOnly: false)
        try mapper.suspend(name, freezesFilesystem: false, flushes: true)
        try mapper.resume(name)
    }

    func heal() throws { try replace(whole(.linear(device: .path(disk), offset: 0))) }

    /// Has each write take so long, so that a merge into the disk lasts until it is looked at.
    func delayWrites(milliseconds: Int) throws {
        let arguments = [disk, "0", "0", disk, "0", "\(milliseconds)"]
        try replace(whole(.other(kind: "delay", arguments: arguments)))
    }

    /// Fails all I/O.
    func failAll() throws { try replace(whole(.error)) }

    /// Fails writes; reads go on.
    func failWrites() throws {
        // Always in the interval in which it fails.
        let arguments = [disk, "0", "0", "1000000", "1", "error_writes"]
        try replace(whole(.other(kind: "flakey", arguments: arguments)))
    }

    /// Fails reads of some bytes until they are written.
    func failReads(_ range: Range<Int>) throws {
        let sector = Geometry.sectorBytes
        try replace(
            whole(.other(kind: "dust", arguments: [disk, "0", "\(sector)"])))
        for block in range.lowerBound / sector..<range.upperBound / sector {
            try mapper.send("addbadblock \(block)", to: name, atSector: 0)
        }
        try mapper.send("enable", to: name, atSector: 0)
    }
}
