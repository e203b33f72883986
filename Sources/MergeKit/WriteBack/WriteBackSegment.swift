internal import SnapshotModel
internal import StoreFormat

/// Some bytes of the volume that lie in the log.
struct WriteBackPiece: Hashable, Sendable {
    /// Of the volume.
    var range: Range<Int>
    /// Where the first of them lies in the log's file.
    var offset: Int

    func clamped(to other: Range<Int>) -> WriteBackPiece {
        let part = range.clamped(to: other)
        return WriteBackPiece(range: part, offset: offset + part.lowerBound - range.lowerBound)
    }
}

/// What one half of the log holds: its records become pieces, none of which overlap. The later of two
/// writes counts.
struct WriteBackSegment: Sendable {
    let generation: UInt64
    /// How much of the half is used, in bytes.
    var usedBytes = 0
    /// The number of records.
    var recordCount: UInt32 = 0
    /// How many chunks were promised room in the area on its account.
    var promisedChunks = 0
    private let chunkBytes: Int
    private var pieces: [Int: [WriteBackPiece]] = [:]

    init(generation: UInt64, chunkBytes: Int) {
        self.generation = generation
        self.chunkBytes = chunkBytes
    }

    var isEmpty: Bool { recordCount == 0 }

    private func chunks(_ range: Range<Int>) -> Range<Int> {
        range.lowerBound / chunkBytes..<(range.upperBound + chunkBytes - 1) / chunkBytes
    }

    func hasChunk(_ chunk: Int) -> Bool { pieces[chunk] != nil }

    /// Notes a record.
    mutating func insert(_ record: WriteBackRecord) {
        recordCount += 1
        let whole = WriteBackPiece(range: record.range, offset: record.payloadOffset)
        for chunk in chunks(record.range) {
            let piece = whole.clamped(to: chunk * chunkBytes..<(chunk + 1) * chunkBytes)
            pieces[chunk, default: []].replace(with: piece)
        }
    }

    /// What of a range lies here, in no order.
    func pieces(in range: Range<Int>) -> [WriteBackPiece] {
        guard !pieces.isEmpty, !range.isEmpty else { return [] }
        let chunks = chunks(range)
        var found: [WriteBackPiece] = []
        if chunks.count <= pieces.count {
            for chunk in chunks {
                guard let here = pieces[chunk] else { continue }
                for piece in here where piece.range.overlaps(range) {
                    found.append(piece.clamped(to: range))
                }
            }
        } else {
            for (chunk, here) in pieces where chunks.contains(chunk) {
                for piece in here where piece.range.overlaps(range) {
                    found.append(piece.clamped(to: range))
                }
            }
        }
        return found
    }

    /// Whether any of a range lies here.
    func overlaps(_ range: Range<Int>) -> Bool {
        guard !pieces.isEmpty, !range.isEmpty else { return false }
        let chunks = chunks(range)
        guard chunks.count <= pieces.count else {
            return pieces.contains { chunk, here in
                chunks.contains(chunk) && here.contains { $0.range.overlaps(range) }
            }
        }
        return chunks.contains { chunk in
            pieces[chunk]?.contains { $0.range.overlaps(range) } ?? false
        }
    }

    /// All of it in the order of the volume.
    var sorted: [WriteBackPiece] {
        pieces.values.joined().sorted { $0.range.lowerBound < $1.range.lowerBound }
    }

    /// The chunks that it has anything of.
    var chunkRanges: [Range<ChunkIndex>] {
        ChunkSet(unordered: pieces.keys.map { ChunkIndex($0)..<ChunkIndex($0 + 1) }).ranges
    }
}

extension [WriteBackPiece] {
    /// Puts a piece in the place of what it covers of the others.
    fileprivate mutating func replace(with piece: WriteBackPiece) {
        guard contains(where: { $0.range.overlaps(piece.range) }) else {
            append(piece)
            return
        }
        var kept: [WriteBackPiece] = []
        for old in self {
            guard old.range.overlaps(piece.range) else {
                kept.append(old)
                continue
            }
            if old.range.lowerBound < piece.range.lowerBound {
                kept.append(old.clamped(to: old.range.lowerBound..<piece.range.lowerBound))
            }
            if piece.range.upperBound < old.range.upperBound {
                kept.append(old.clamped(to: piece.range.upperBound..<old.range.upperBound))
            }
        }
        kept.append(piece)
        self = kept
    }
}
