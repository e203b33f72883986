import System
import DeviceMapper
import Glibc
import SnapshotModel

/// Devices of one case, which go with it, whatever becomes of it.
final class DeviceRig {
    let mapper = KernelDeviceMapper(busyMilliseconds: 500)
    let context: GuestContext

    /// What a removal in clean-up cannot do at once, because a device of another case is still
    /// closing, it does a moment later.
    private let cleaner = KernelDeviceMapper()

    init(_ context: GuestContext) { self.context = context }

    var disk: DeviceReference { .path(context.disks[0]) }
    var otherDisk: DeviceReference { .path(context.disks[1]) }

    static func name(_ part: DeviceName.Part = .mounted, volume: String = "guest") -> DeviceName {
        DeviceName(volume: volume, part)
    }

    static func uuid(_ name: DeviceName) -> String { "SNAPMGR-test-" + name.text }

    /// Creates a device that is resumed and removed when the case has ended.
    @discardableResult
    func create(
        _ name: DeviceName, _ table: DeviceTable, isReadOnly: Bool = false
    ) throws -> DeviceName {
        removeAtEnd(name)
        try mapper.create(
            name, uuid: Self.uuid(name), isReadOnly: isReadOnly, table: table)
        return name
    }

    @discardableResult
    func prepare(_ name: DeviceName, _ table: DeviceTable) throws -> DeviceName {
        removeAtEnd(name)
        try mapper.prepare(name, uuid: Self.uuid(name), isReadOnly: false, table: table)
        return name
    }

    func removeAtEnd(_ name: DeviceName) {
        context.cleanUp { [cleaner] in
            guard let information = try cleaner.info(name) else { return }
            if information.isSuspended {
                try cleaner.clear(name)
                try cleaner.resume(name)
            }
            try cleaner.remove(name)
        }
    }

    func info(_ name: DeviceName) throws -> DeviceInfo {
        try require(try mapper.info(name), "device \(name)")
    }

    /// A device under the whole of the first disk, from a sector on.
    func linear(_ sectorCount: Int, at offset: Int = 0) -> DeviceTable {
        DeviceTable(sectorCount: sectorCount, .linear(device: disk, offset: offset))
    }

    /// A file in the guest's memory, which goes with the case.
    func makeFile(_ name: String, byteCount: Int) throws -> String {
        let path = "/dev/shm/snapmgr-devices-\(getpid())-\(name)"
        context.cleanUp { unlink(path) }
        let file = try FileDevice(path: path, access: .create)
        try file.resize(to: byteCount)
        return path
    }

    /// The failure of a request that must fail; `what` names it.
    static func failure(
        of what: String, fileID: StaticString = #fileID, line: Int = #line,
        _ body: () throws -> Void
    ) throws -> DeviceFailure {
        let error = try expectFailure(what, fileID: fileID, line: line, body)
        return try require(error as? DeviceFailure, "device's failure in \(error)")
    }

    /// Writes sectors of a byte past the page cache.
    static func write(_ byte: UInt8, _ sectorCount: Int, at sector: Int, of path: String) throws {
        let device = try DirectDevice(path: path)
        var buffer = AlignedBuffer(count: sectorCount * 512)
        var bytes = buffer.mutableBytes
        bytes.withUnsafeMutableBytes { _ = $0.initializeMemory(as: UInt8.self, repeating: byte) }
        try device.write(buffer.bytes, at: sector * 512)
    }

    /// The first byte of a sector, read past the page cache.
    static func byte(at sector: Int, of path: String) throws -> UInt8 {
        let device = try DirectDevice(path: path, isReadOnly: true)
        var buffer = AlignedBuffer(count: 512)
        var bytes = buffer.mutableBytes
        try device.read(into: &bytes, at: sector * 512)
        return buffer.bytes.withUnsafeBytes { $0[0] }
    }
}
