package import SnapshotModel
package import System

/// The seal of an area, open: its sums are read where they are needed.
package struct AreaSeal: Sendable {
    /// What it says of the area, but for the sums.
    package let header: SealHeader
    private let file: any BlockDevice

    /// Opens a seal, and looks whether it is as it was written.
    ///
    /// - Parameters:
    ///   - uuid: the volume's.
    ///   - checksSums: whether all of it is looked at, or its header alone.
    package init(
        _ file: any BlockDevice, uuid: String, chunkBytes: Int, ordinal: SnapshotOrdinal,
        checksSums: Bool = true
    ) throws(SealFault) {
        self.file = file
        let size = try Self.reading { () throws(IOFailure) in try file.byteCount() }
        guard size >= SealFormat.headerBytes else { throw .damaged }
        var buffer = AlignedBuffer(count: SealFormat.headerBytes)
        do {
            var bytes = buffer.mutableBytes
            try file.read(into: &bytes, at: 0)
        } catch { throw .unreadable(error.description) }
        header = try SealFormat.decode(buffer.bytes, fileBytes: size)
        guard header.uuid == uuid, header.chunkBytes == chunkBytes,
            header.owner.ordinal == ordinal
        else { throw .foreign }
        if checksSums { try checkSums() }
    }

    private func checkSums() throws(SealFault) {
        let end = SealFormat.offset(of: header.count)
        var buffer = AlignedBuffer(count: Self.pieceBytes)
        var checksum: UInt32 = 0
        var position = SealFormat.headerBytes
        while position < end {
            let count = min(buffer.count, end - position)
            do {
                var bytes = buffer.mutableBytes(in: 0..<count)
                try file.read(into: &bytes, at: position)
            } catch { throw .unreadable(error.description) }
            checksum = buffer.bytes(in: 0..<count).crc32c(after: checksum)
            position += count
        }
        do {
            var bytes = buffer.mutableBytes(in: 0..<SealFormat.checksumBytes)
            try file.read(into: &bytes, at: end)
        } catch { throw .unreadable(error.description) }
        guard buffer.bytes.littleEndian(UInt32.self, at: 0) == checksum else { throw .damaged }
    }

    private static let pieceBytes = 1 << 20

    private static func reading<Value>(
        _ body: () throws(IOFailure) -> Value
    ) throws(SealFault) -> Value {
        do { return try body() } catch { throw .unreadable(error.description) }
    }

    /// The sums of some exceptions, by their places in the map that was sealed.
    package func sums(_ places: Range<Int>) throws(IOFailure) -> [UInt64] {
        let count = places.count * SealFormat.sumBytes
        var buffer = AlignedBuffer(count: count)
        var bytes = buffer.mutableBytes
        try file.read(into: &bytes, at: SealFormat.offset(of: places.lowerBound))
        let read = buffer.bytes
        return (0..<places.count).map { read.littleEndian(at: $0 * SealFormat.sumBytes) }
    }

    /// How sure it is that the seal is of this chain's area.
    ///
    /// - Parameters:
    ///   - manifest: the snapshot's.
    ///   - next: the first that the chain has after it; nil when there is none.
    package func descent(of manifest: SnapshotManifest, next: SnapshotManifest?) -> IndexMap.Descent
    {
        let follower = header.follower
        guard header.owner == IndexFollower(manifest), let next, next.ordinal >= follower.ordinal
        else { return .foreign }
        guard next.ordinal == follower.ordinal else { return .likely }
        return follower == IndexFollower(next) ? .certain : .foreign
    }

    /// Whether the hash tree over a map and the seal's sums has the root that the header names. What the file's
    /// own checksum cannot see, it does.
    package func hasItsRoot(_ map: ChunkMap) throws(IOFailure) -> Bool {
        var tree = SealTree()
        var cursor = MapCursor(map)
        var place = 0
        while place < header.count {
            let end = min(place + AreaSums.standardWindow, header.count)
            for sum in try sums(place..<end) {
                guard let origin = cursor.next() else { return false }
                tree.append(origin, sum)
            }
            place = end
        }
        return tree.root() == header.root
    }
}

/// Goes through the volume's chunks of a map, in their order.
package struct MapCursor {
    private let map: ChunkMap
    private var (run, offset) = (0, 0)

    package init(_ map: ChunkMap) { self.map = map }

    /// The next one; nil behind the last.
    package mutating func next() -> ChunkIndex? {
        guard run < map.runs.count else { return nil }
        let chunk = map.runs[run].origin.advanced(by: offset)
        offset += 1
        if offset == map.runs[run].count { (run, offset) = (run + 1, 0) }
        return chunk
    }
}

/// The sums of an area in memory, by the volume's chunks.
package struct SealedSums: Sendable {
    private let map: ChunkMap
    /// The place in the map of each run's first chunk.
    private let starts: [Int]
    private let sums: [UInt64]

    /// More are not held in memory.
    package static let countMaximum = 1 << 21

    /// Nil of a seal that has too many.
    ///
    /// - Parameter map: of the exceptions that are sealed.
    package init?(_ seal: AreaSeal, _ map: ChunkMap) throws(IOFailure) {
        guard map.count == seal.header.count, map.count <= Self.countMaximum else { return nil }
        self.map = map
        sums = try seal.sums(0..<map.count)
        var (starts, start): ([Int], Int) = ([], 0)
        for run in map.runs {
            starts.append(start)
            start += run.count
        }
        self.starts = starts
    }

    /// The sum of a chunk of the volume; nil when it is not sealed.
    package func sum(of chunk: ChunkIndex) -> UInt64? {
        let run = map.firstRun(endingAfter: chunk)
        guard run < map.runs.count, map.runs[run].origin <= chunk else { return nil }
        return sums[starts[run] + map.runs[run].origin.distance(to: chunk)]
    }
}
