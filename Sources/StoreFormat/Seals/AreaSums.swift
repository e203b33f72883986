package import SnapshotModel
package import System

/// Reads an area, and gives the sum of each of its exceptions. Exceptions are taken in windows by the volume's
/// chunks, and within a window in the order in which they lie in the file, as a disk is read best.
///
/// It can be stopped after any step and go on later, while the area does not change.
package struct AreaSums {
    /// Consecutive chunks of the area, and the place of the first of them in the map.
    private struct Piece {
        var area: Int
        var index: Int
        var count: Int
    }

    private let device: any BlockDevice
    private let format: AreaFormat
    private let map: ChunkMap
    /// The exceptions that are read; nil for all.
    private let needed: ChunkSet?
    private let windowCount: Int
    private let zeroSum: UInt64
    /// The run and the chunk in it where the next window begins, and its place in the map.
    private var nextRun = 0
    private var skipped = 0
    /// The place in the map at which the window begins, and the one behind it.
    package private(set) var window = 0..<0
    private var pieces: [Piece] = []
    private var nextPiece = 0
    private let buffer: Buffer

    /// The bytes that are read at once.
    package static let readBytes = 1 << 20
    /// The exceptions that are read in the order of the file.
    package static let standardWindow = 1 << 20

    /// One that each who has a copy of the reader uses in turn.
    private final class Buffer: @unchecked Sendable {
        let count: Int
        private var bytes: AlignedBuffer

        init(_ count: Int) {
            self.count = count
            bytes = AlignedBuffer(count: count)
        }

        func use<Result>(_ body: (inout AlignedBuffer) -> Result) -> Result { body(&bytes) }
    }

    /// - Parameters:
    ///   - needed: the volume's chunks whose exceptions are to be read; nil for all.
    ///   - windowCount: how many exceptions make a window.
    package init(
        _ device: any BlockDevice, _ format: AreaFormat, _ map: ChunkMap, needed: ChunkSet? = nil,
        windowCount: Int = standardWindow
    ) {
        self.device = device
        self.format = format
        self.map = map
        self.needed = needed
        self.windowCount = windowCount
        let bytes = max(Self.readBytes / format.chunkBytes, 1) * format.chunkBytes
        buffer = Buffer(bytes)
        zeroSum = AlignedBuffer(count: format.chunkBytes).bytes.xxh3
    }

    /// Goes on to the next window; false when there is none.
    ///
    /// - Parameter position: windows before that one's are passed over, and what was read of that one.
    package mutating func beginWindow(_ position: ScrubPosition?) -> Bool {
        while beginWindow() {
            guard let position, window.lowerBound <= position.window else { return true }
            guard window.lowerBound == position.window else { continue }
            nextPiece = pieces.lowestIndex { $0.area + $0.count > position.place }
            if nextPiece < pieces.count { pass(to: position.place) }
            return true
        }
        return false
    }

    /// The next piece may have been read in part.
    private mutating func pass(to place: Int) {
        let read = max(0, place - pieces[nextPiece].area)
        pieces[nextPiece].area += read
        pieces[nextPiece].index += read
        pieces[nextPiece].count -= read
    }

    /// Goes on to the next window; false when there is none.
    package mutating func beginWindow() -> Bool {
        window = window.upperBound..<window.upperBound
        pieces.removeAll(keepingCapacity: true)
        nextPiece = 0
        var end = window.upperBound
        while nextRun < map.runs.count, end - window.lowerBound < windowCount {
            let run = map.runs[nextRun]
            let count = min(run.count - skipped, windowCount - (end - window.lowerBound))
            let part = ChunkRun(
                origin: run.origin.advanced(by: skipped), area: run.area.advanced(by: skipped),
                count: count)
            add(part, at: end)
            end += count
            skipped += count
            if skipped == run.count { (nextRun, skipped) = (nextRun + 1, 0) }
        }
        pieces.sort { $0.area < $1.area }
        window = window.lowerBound..<end
        return end > window.lowerBound
    }

    private mutating func add(_ part: ChunkRun, at index: Int) {
        guard let needed else {
            pieces.append(Piece(area: part.area.rawValue, index: index, count: part.count))
            return
        }
        for range in needed.intersection(ChunkSet(part.originRange)).ranges {
            let offset = part.origin.distance(to: range.lowerBound)
            pieces.append(
                Piece(
                    area: part.area.rawValue + offset, index: index + offset, count: range.count))
        }
    }

    /// The chunk of the area that is read next; nil when the window is done.
    package var place: Int? { nextPiece < pieces.count ? pieces[nextPiece].area : nil }

    /// Reads the next exceptions of the window: at most as many as fit into a read, and those whose bytes follow
    /// each other in the file.
    ///
    /// - Parameter found: gets the place of each in the map, and its sum; nil when it cannot be read.
    /// - Returns: how many bytes were looked at; 0 when the window is done.
    package mutating func step(_ found: (_ index: Int, _ sum: UInt64?) -> Void) -> Int {
        guard nextPiece < pieces.count else { return 0 }
        let first = pieces[nextPiece]
        let room = buffer.count / format.chunkBytes
        var taken: [Piece] = []
        var count = 0
        while nextPiece < pieces.count, count < room, pieces[nextPiece].area == first.area + count {
            var piece = pieces[nextPiece]
            let part = min(piece.count, room - count)
            taken.append(Piece(area: piece.area, index: piece.index, count: part))
            count += part
            if part == piece.count {
                nextPiece += 1
            } else {
                piece.area += part
                piece.index += part
                piece.count -= part
                pieces[nextPiece] = piece
            }
        }
        buffer.use { read(taken, from: first.area..<first.area + count, into: &$0, found) }
        return count * format.chunkBytes
    }

    private func read(
        _ pieces: [Piece], from chunks: Range<Int>, into buffer: inout AlignedBuffer,
        _ found: (Int, UInt64?) -> Void
    ) {
        // Where a disk cannot read all of it, it may read most of it.
        let isHole = try? fill(&buffer, from: chunks)
        for piece in pieces {
            for offset in 0..<piece.count {
                let chunk = piece.area + offset
                guard let isHole else {
                    found(piece.index + offset, sumAlone(chunk, &buffer))
                    continue
                }
                found(
                    piece.index + offset,
                    isHole ? zeroSum : sum(in: buffer, at: chunk - chunks.lowerBound))
            }
        }
    }

    /// Reads some chunks of the area; true, with nothing read, when they are one hole.
    private func fill(
        _ buffer: inout AlignedBuffer, from chunks: Range<Int>
    ) throws(IOFailure) -> Bool {
        let start = format.offset(of: ChunkIndex(chunks.lowerBound))
        let count = chunks.count * format.chunkBytes
        guard try device.firstData(in: start..<start + count) != nil else { return true }
        var bytes = buffer.mutableBytes(in: 0..<count)
        try device.read(into: &bytes, at: start)
        return false
    }

    private func sum(in buffer: borrowing AlignedBuffer, at place: Int) -> UInt64 {
        let start = place * format.chunkBytes
        return buffer.bytes(in: start..<start + format.chunkBytes).xxh3
    }

    private func sumAlone(_ chunk: Int, _ buffer: inout AlignedBuffer) -> UInt64? {
        guard let isHole = try? fill(&buffer, from: chunk..<chunk + 1) else { return nil }
        return isHole ? zeroSum : sum(in: buffer, at: 0)
    }

    /// The CRC-32C of an area's header chunk and of the metadata blocks of its first exceptions, as far as they
    /// are there.
    package static func listsChecksum(
        _ device: any BlockDevice, _ format: AreaFormat, count: Int
    ) throws(IOFailure) -> UInt32 {
        var buffer = AlignedBuffer(count: format.chunkBytes)
        var checksum: UInt32 = 0
        for block in -1...count / format.entriesPerBlock {
            let chunk = block < 0 ? ChunkIndex(0) : format.metadataChunk(block)
            var bytes = buffer.mutableBytes
            try device.read(into: &bytes, at: format.offset(of: chunk))
            checksum = buffer.bytes.crc32c(after: checksum)
        }
        return checksum
    }
}
