internal import SnapshotModel
internal import System

/// A QCOW2 image of version 3 that has no data of its own: a backing file has the content, and a persistent dirty
/// bitmap names what has changed. The format is QEMU's: docs/interop/qcow2.txt.
///
/// Its parts, in clusters: the header, the table of refcounts and one block of them, an empty L1 table, the directory of
/// bitmaps, the bitmap's table, and of its bits those clusters that are neither all set nor all clear.
struct QCOW2Bitmap {
    let volumeBytes: Int
    let name: String
    /// The backing file, as QEMU opens it.
    let content: String
    /// One bit stands for `1 << granularityBits` bytes.
    let granularityBits: Int
    let clusterBits: Int
    /// Of the granules, ascending, not touching each other.
    private let granules: [Range<Int>]
    private let parts: [Part]
    private let layout: Layout

    /// What a cluster of the bitmap is.
    private enum Part { case clear, set, mixed }

    /// Where each part begins, in clusters.
    private struct Layout {
        static let refcountTable = 1
        static let refcountBlock = 2
        static let firstLevel = 3
        var directory: Int
        var table: Int
        var bits: Int
        var end: Int
    }

    /// The longest path of a backing file, and the longest name of a bitmap, in bytes.
    private static let textMaximum = 1023
    /// The largest bitmap that QEMU takes, in bytes.
    private static let bitmapMaximum = 512 << 20
    /// The L1 table is kept as small as this by larger clusters, in bytes.
    private static let firstLevelBytes = 1 << 20
    private static let clusterBitsAllowed = 16...21

    /// - Parameters:
    ///   - ranges: what has changed, in bytes, ascending.
    /// - Throws: `usage` when the content's address is longer than the format allows.
    init(
        volumeBytes: Int, chunkBytes: Int, name: String, content: String, ranges: [Range<Int>]
    ) throws(Problem) {
        guard (1...Self.textMaximum).contains(content.utf8.count),
            (1...Self.textMaximum).contains(name.utf8.count)
        else {
            throw Problem(
                .usage,
                "the content's address has \(content.utf8.count) bytes, and \(Self.textMaximum) are allowed",
                hint: "name a shorter path with --content")
        }
        (self.volumeBytes, self.name, self.content) = (volumeBytes, name, content)
        granularityBits = Self.granularityBits(volumeBytes, chunkBytes)
        clusterBits = Self.clusterBits(volumeBytes)
        granules = Self.granules(ranges, granularityBits)
        let cluster = 1 << clusterBits
        parts = Self.parts(
            granules, count: Self.divided(volumeBytes, by: 1 << granularityBits),
            perCluster: cluster * 8)
        let firstLevel = Self.divided(
            Self.firstLevelCount(volumeBytes, clusterBits) * 8, by: cluster)
        let directory = Layout.firstLevel + firstLevel
        let table = directory + 1
        let bits = table + max(1, Self.divided(parts.count * 8, by: cluster))
        layout = Layout(
            directory: directory, table: table, bits: bits,
            end: bits + parts.count { $0 == .mixed })
        // A block of refcounts is for half as many clusters as a cluster has bytes, far more than there can be.
        precondition(layout.end <= cluster / 2, "one block of refcounts is enough")
    }

    var fileBytes: Int { layout.end << clusterBits }

    // MARK: Sizes

    private static func divided(_ value: Int, by divisor: Int) -> Int {
        value / divisor + (value % divisor == 0 ? 0 : 1)
    }

    /// That of a chunk, or more where the bitmap would become larger than QEMU takes.
    private static func granularityBits(_ volumeBytes: Int, _ chunkBytes: Int) -> Int {
        var bits = max(9, chunkBytes.trailingZeroBitCount)
        while divided(divided(volumeBytes, by: 1 << bits), by: 8) > bitmapMaximum { bits += 1 }
        return bits
    }

    private static func clusterBits(_ volumeBytes: Int) -> Int {
        clusterBitsAllowed.first { firstLevelCount(volumeBytes, $0) * 8 <= firstLevelBytes }
            ?? clusterBitsAllowed.upperBound
    }

    /// The entries of the L1 table: each stands for a cluster of entries of 8 bytes, each of which stands for a cluster.
    private static func firstLevelCount(_ volumeBytes: Int, _ clusterBits: Int) -> Int {
        max(1, divided(volumeBytes, by: 1 << (2 * clusterBits - 3)))
    }

    private static func granules(_ ranges: [Range<Int>], _ bits: Int) -> [Range<Int>] {
        var list: [Range<Int>] = []
        for range in ranges where !range.isEmpty {
            let start = range.lowerBound >> bits
            let end = ((range.upperBound - 1) >> bits) + 1
            if let last = list.last, start <= last.upperBound {
                list[list.count - 1] = last.lowerBound..<max(last.upperBound, end)
            } else {
                list.append(start..<end)
            }
        }
        return list
    }

    private static func parts(
        _ granules: [Range<Int>], count: Int, perCluster: Int
    ) -> [Part] {
        var set = [Int](repeating: 0, count: divided(count, by: perCluster))
        for range in granules {
            var position = range.lowerBound
            while position < range.upperBound {
                let cluster = position / perCluster
                let end = min(range.upperBound, (cluster + 1) * perCluster)
                set[cluster] += end - position
                position = end
            }
        }
        return set.indices.map { cluster in
            let all = min(perCluster, count - cluster * perCluster)
            return set[cluster] == 0 ? .clear : set[cluster] == all ? .set : .mixed
        }
    }

    // MARK: Bytes

    /// Fills a new file of ``fileBytes`` zeroes.
    ///
    /// - Parameter proceed: is asked again and again.
    func write(to file: any BlockDevice, proceed: () throws -> Void = {}) throws {
        func put(_ bytes: [UInt8], _ cluster: Int) throws(IOFailure) {
            try file.write(bytes.span.bytes, at: cluster << clusterBits)
        }
        try put(header, 0)
        try put(Self.bytes(UInt64(Layout.refcountBlock << clusterBits)), Layout.refcountTable)
        let refcounts = (0..<layout.end).flatMap { _ in Self.bytes(UInt16(1)) }
        try put(refcounts, Layout.refcountBlock)
        try put(directory, layout.directory)
        try put(table, layout.table)
        var place = layout.bits
        for cluster in parts.indices where parts[cluster] == .mixed {
            try proceed()
            try put(bits(of: cluster), place)
            place += 1
        }
    }

    private static func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }

    private static func padded(_ bytes: [UInt8]) -> [UInt8] {
        bytes + [UInt8](repeating: 0, count: (8 - bytes.count % 8) % 8)
    }

    private var header: [UInt8] {
        let extensions =
            fieldExtension(0xE279_2ACA, Array("raw".utf8))
            + fieldExtension(0x2385_2875, bitmapsField) + fieldExtension(0, [])
        let headerBytes = 104
        let contentOffset = headerBytes + extensions.count
        var bytes: [UInt8] = [0x51, 0x46, 0x49, 0xFB]
        bytes += Self.bytes(UInt32(3))
        bytes += Self.bytes(UInt64(contentOffset)) + Self.bytes(UInt32(content.utf8.count))
        bytes += Self.bytes(UInt32(clusterBits)) + Self.bytes(UInt64(volumeBytes))
        // No encryption.
        bytes += Self.bytes(UInt32(0))
        bytes += Self.bytes(UInt32(Self.firstLevelCount(volumeBytes, clusterBits)))
        bytes += Self.bytes(UInt64(Layout.firstLevel << clusterBits))
        bytes += Self.bytes(UInt64(Layout.refcountTable << clusterBits)) + Self.bytes(UInt32(1))
        // No snapshots of its own.
        bytes += Self.bytes(UInt32(0)) + Self.bytes(UInt64(0))
        // Features: none that are incompatible or compatible; the bitmaps are as the file is.
        bytes += Self.bytes(UInt64(0)) + Self.bytes(UInt64(0)) + Self.bytes(UInt64(1))
        // Refcounts of 16 bits.
        bytes += Self.bytes(UInt32(4)) + Self.bytes(UInt32(headerBytes))
        return bytes + extensions + Array(content.utf8)
    }

    private func fieldExtension(_ type: UInt32, _ data: [UInt8]) -> [UInt8] {
        Self.bytes(type) + Self.bytes(UInt32(data.count)) + Self.padded(data)
    }

    private var bitmapsField: [UInt8] {
        Self.bytes(UInt32(1)) + Self.bytes(UInt32(0)) + Self.bytes(UInt64(directory.count))
            + Self.bytes(UInt64(layout.directory << clusterBits))
    }

    /// The one bitmap: it is whole, and nobody goes on with it, so that a server that only reads can have it.
    private var directory: [UInt8] {
        let kind: [UInt8] = [1, UInt8(granularityBits)]
        let bytes =
            Self.bytes(UInt64(layout.table << clusterBits)) + Self.bytes(UInt32(parts.count))
            + Self.bytes(UInt32(0)) + kind + Self.bytes(UInt16(name.utf8.count))
            + Self.bytes(UInt32(0)) + Array(name.utf8)
        return Self.padded(bytes)
    }

    private var table: [UInt8] {
        var place = layout.bits
        return parts.flatMap { part in
            switch part {
            case .clear: return Self.bytes(UInt64(0))
            case .set: return Self.bytes(UInt64(1))
            case .mixed:
                defer { place += 1 }
                return Self.bytes(UInt64(place << clusterBits))
            }
        }
    }

    private func bits(of cluster: Int) -> [UInt8] {
        let count = 8 << clusterBits
        let window = cluster * count..<(cluster + 1) * count
        var bytes = [UInt8](repeating: 0, count: 1 << clusterBits)
        var index = granules.lowestIndex { $0.upperBound > window.lowerBound }
        while index < granules.count, granules[index].lowerBound < window.upperBound {
            let part = granules[index].clamped(to: window)
            Self.set(
                part.lowerBound - window.lowerBound..<part.upperBound - window.lowerBound, &bytes)
            index += 1
        }
        return bytes
    }

    /// Sets bits, of which the lowest of a byte comes first.
    private static func set(_ bits: Range<Int>, _ bytes: inout [UInt8]) {
        var bit = bits.lowerBound
        while bit < bits.upperBound {
            if bit % 8 == 0, bits.upperBound - bit >= 8 {
                bytes[bit / 8] = 0xFF
                bit += 8
            } else {
                bytes[bit / 8] |= 1 << UInt8(bit % 8)
                bit += 1
            }
        }
    }
}
