import System
import DeviceMapper
import SnapshotModel

/// A disk whose writes are logged in the order in which they became durable, by dm-log-writes; so
/// that afterwards a disk can be made that has lost its power, with its write cache, at any moment.
///
/// The log (drivers/md/dm-log-writes.c): a sector with magic, version, number of entries and size of a
/// sector; then for each entry a sector with the place, the number of sectors, flags and the length
/// of a mark's text, followed by the data. A write enters the log when a flush that came behind it
/// has been answered, or at once when it was itself answered as durable.
final class WriteLog {
    let path: String
    private let name = ScratchDevices.name("logged")
    private let logPath: String
    private let mapper: KernelDeviceMapper

    /// What the log has, in its order.
    struct Entry {
        var sector: Int
        var sectorCount: Int
        /// Where its data lies in the log, in bytes; nil when it has none.
        var data: Int?
        /// A mark's text.
        var mark: String?
    }

    private static let magic: UInt64 = 0x6a73_6677_7368_72
    private static let discard: UInt64 = 4
    private static let mark: UInt64 = 8

    /// Logs the writes to the first bytes of a disk.
    init(_ devices: ScratchDevices, of disk: String, bytes: Int, to log: String) throws {
        logPath = log
        path = name.path
        mapper = devices.mapper
        try DirectDevice(path: log).punch(0..<1 << 20)
        try devices.create(
            name,
            DeviceTable(
                sectorCount: bytes / Geometry.sectorBytes,
                .other(kind: "log-writes", arguments: [disk, log])))
    }

    /// Notes a moment: all that was answered as durable before lies before it.
    func mark(_ text: String) throws {
        try Tool.run("dmsetup", "message", name.text, "0", "mark", text)
    }

    /// Ends the logging; nobody may have the disk open any more.
    func end() throws { try mapper.remove(name) }

    /// The entries, after the end.
    func entries() throws -> [Entry] {
        let log = try DirectDevice(path: logPath, isReadOnly: true)
        var sector = AlignedBuffer(count: Geometry.sectorBytes)
        try log.read(into: &sector, at: 0)
        let magic: UInt64 = sector.bytes.littleEndian(at: 0)
        let count: UInt64 = sector.bytes.littleEndian(at: 16)
        let sectorBytes: UInt32 = sector.bytes.littleEndian(at: 24)
        try expectEqual(magic, Self.magic, "magic of the log")
        try expectEqual(Int(sectorBytes), Geometry.sectorBytes, "the log's bytes in a sector")
        var offset = Geometry.sectorBytes
        return try (0..<count).map { _ in
            try log.read(into: &sector, at: offset)
            let fields = (0..<4).map { index -> UInt64 in sector.bytes.littleEndian(at: index * 8) }
            offset += Geometry.sectorBytes
            var entry = Entry(sector: Int(fields[0]), sectorCount: Int(fields[1]))
            if fields[2] & Self.mark != 0 {
                let text = sector.bytes.extracting(32..<32 + Int(fields[3])).array
                entry.mark = String(decoding: text.prefix { $0 != 0 }, as: UTF8.self)
            } else if fields[2] & Self.discard == 0, entry.sectorCount > 0 {
                entry.data = offset
                offset += entry.sectorCount * Geometry.sectorBytes
            }
            return entry
        }
    }

    /// Writes some entries to a disk. What was discarded stays as it was: a disk may do so.
    func replay(_ entries: some Sequence<Entry>, to disk: String) throws {
        let log = try DirectDevice(path: logPath, isReadOnly: true)
        let target = try DirectDevice(path: disk)
        for entry in entries {
            guard let data = entry.data else { continue }
            var buffer = AlignedBuffer(count: entry.sectorCount * Geometry.sectorBytes)
            try log.read(into: &buffer, at: data)
            try target.write(buffer.bytes, at: entry.sector * Geometry.sectorBytes)
        }
        try target.sync()
    }
}
