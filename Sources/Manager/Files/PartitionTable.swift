internal import FileSystems
internal import SnapshotModel
internal import System

/// The partitions of a disk, by a GPT or an MBR, as far as they lie within it.
struct PartitionTable {
    /// By the number that the kernel gives them; in bytes.
    private(set) var partitions: [Int: Range<Int>] = [:]
    let kind: String

    private static let sectorBytes = 512

    /// Nil when there is none.
    init?(_ bytes: any VolumeBytes) throws(Problem) {
        let head = try Self.read(bytes, 0..<min(2 * Self.sectorBytes, bytes.byteCount))
        guard head.count == 2 * Self.sectorBytes, head[510] == 0x55, head[511] == 0xAA else {
            return nil
        }
        if head[512...].starts(with: Array("EFI PART".utf8)) {
            kind = "GPT"
            try readGPT(Array(head[512...]), bytes)
        } else {
            kind = "MBR"
            try readMBR(head, bytes)
        }
        if partitions.isEmpty { return nil }
    }

    /// The same, and nil for a filesystem that may begin with what looks like a table. What was left farther in,
    /// when the disk was divided, is no filesystem any more.
    static func ofDisk(_ bytes: any VolumeBytes) throws(Problem) -> PartitionTable? {
        guard let table = try PartitionTable(bytes) else { return nil }
        let head = try FilesystemKind.head(of: bytes)
        let isBootSector = FilesystemKind.detect(Array(head.prefix(sectorBytes))) != nil
        return table.kind == "MBR" && isBootSector ? nil : table
    }

    private static func read(
        _ bytes: any VolumeBytes, _ range: Range<Int>
    ) throws(Problem) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: range.count)
        var elements = buffer.mutableSpan
        var span = elements.mutableBytes
        if !range.isEmpty { try bytes.read(into: &span, at: range.lowerBound) }
        return buffer
    }

    private static func number(_ bytes: [UInt8], _ offset: Int, _ count: Int) -> Int {
        let value = (0..<count).reduce(UInt64(0)) { $0 | UInt64(bytes[offset + $1]) << (8 * $1) }
        return Int(clamping: value)
    }

    private mutating func add(_ number: Int, sector: Int, count: Int, _ bytes: any VolumeBytes) {
        let start = sector.multipliedClamped(by: Self.sectorBytes)
        let length = count.multipliedClamped(by: Self.sectorBytes)
        guard start > 0, length > 0, start < bytes.byteCount else { return }
        partitions[number] = start..<start + min(length, bytes.byteCount - start)
    }

    /// UEFI specification, 5.3: the header's place of the entries, their number and their size.
    private mutating func readGPT(
        _ header: [UInt8], _ bytes: any VolumeBytes
    ) throws(Problem) {
        let start = Self.number(header, 72, 8).multipliedClamped(by: Self.sectorBytes)
        let (count, size) = (Self.number(header, 80, 4), Self.number(header, 84, 4))
        guard (1...1024).contains(count), (128...4096).contains(size), start > 0,
            start <= bytes.byteCount.subtractingClamped(count * size)
        else { return }
        let table = try Self.read(bytes, start..<start + count * size)
        for index in 0..<count {
            let offset = index * size
            guard table[offset..<offset + 16].contains(where: { $0 != 0 }) else { continue }
            let (first, last) = (
                Self.number(table, offset + 32, 8), Self.number(table, offset + 40, 8)
            )
            guard last >= first, last < Int.max else { continue }
            add(index + 1, sector: first, count: last - first + 1, bytes)
        }
    }

    private static let logicalMaximum = 128

    /// Four primary partitions, and the chain of logical ones within extended ones.
    private mutating func readMBR(_ sector: [UInt8], _ bytes: any VolumeBytes) throws(Problem) {
        for index in 0..<4 {
            let entry = MBREntry(sector, index)
            if entry.isExtended {
                try readLogical(entry, bytes)
            } else if entry.isUsed {
                add(index + 1, sector: entry.sector, count: entry.count, bytes)
            }
        }
    }

    private mutating func readLogical(
        _ extended: MBREntry, _ bytes: any VolumeBytes
    ) throws(Problem) {
        var next = extended.sector
        // A chain that leads back to itself ends, too.
        for number in 5..<5 + Self.logicalMaximum {
            let start = next.multipliedClamped(by: Self.sectorBytes)
            guard start <= bytes.byteCount.subtractingClamped(Self.sectorBytes) else { return }
            let sector = try Self.read(bytes, start..<start + Self.sectorBytes)
            guard sector[510] == 0x55, sector[511] == 0xAA else { return }
            let (entry, link) = (MBREntry(sector, 0), MBREntry(sector, 1))
            if entry.isUsed {
                add(number, sector: next.addingClamped(entry.sector), count: entry.count, bytes)
            }
            guard link.isExtended else { return }
            next = extended.sector.addingClamped(link.sector)
        }
    }

    /// One of a sector's four entries.
    private struct MBREntry {
        let type: UInt8
        let sector: Int
        let count: Int

        init(_ bytes: [UInt8], _ index: Int) {
            let offset = 446 + 16 * index
            type = bytes[offset + 4]
            sector = number(bytes, offset + 8, 4)
            count = number(bytes, offset + 12, 4)
        }

        var isExtended: Bool { [0x05, 0x0F, 0x85].contains(type) && sector > 0 }
        var isUsed: Bool { type != 0 && count > 0 }
    }
}
