import DeviceMapper
import Glibc

/// A disk that can be made slow to write to, so that the kernel's merges last: they are over before
/// anybody looks, otherwise.
struct SlowOrigin {
    private let disk: String
    private let sectorCount: Int
    private let mapper = KernelDeviceMapper()
    private let name = ScratchDevices.name("slow")

    static let modules = ["dm-mod", "dm-snapshot", "dm-delay", "loop"]
    private static let uuid = DeviceIdentity.prefix + "TEST-slow"

    init(disk: String, mebibytes: Int) throws {
        self.disk = disk
        sectorCount = mebibytes << 11
        try mapper.create(name, uuid: Self.uuid, isReadOnly: false, table: table(milliseconds: 0))
    }

    var path: String { name.path }

    private func table(milliseconds: Int) -> DeviceTable {
        let target: Target =
            milliseconds == 0
            ? .linear(device: .path(disk), offset: 0)
            : .other(
                kind: "delay", arguments: [disk, "0", "0", disk, "0", "\(milliseconds)"])
        return DeviceTable(consecutive: [(sectorCount, target)])
    }

    /// Has each write take so long.
    func delayWrites(milliseconds: Int) throws {
        try mapper.load(name, table: table(milliseconds: milliseconds), isReadOnly: false)
        try mapper.suspend(name, freezesFilesystem: false, flushes: true)
        try mapper.resume(name)
    }

    func remove() throws { try mapper.remove(name) }
}
