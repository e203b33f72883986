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
    private var pieces: [Int: Pieces] = [:]

    /// What there is of a chunk; nearly always one, and then nothing is allocated for it.
    private enum Pieces: Sendable {
        case one(WriteBackPiece)
        /// None of them overlap.
        case many([WriteBackPiece])

        var all: [WriteBackPiece] {
            switch self {
            case .one(let piece): [piece]
            case .many(let pieces): pieces
            }
        }

        func overlaps(_ range: Range<Int>) -> Bool {
            switch self {
            case .one(let piece): piece.range.overlaps(range)
            case .many(let pieces): pieces.contains { $0.range.overlaps(range) }
            }
        }

        /// Adds to a list what of a range is here.
        func append(to found: inout [WriteBackPiece], in range: Range<Int>) {
            switch self {
            case .one(let piece):
                if piece.range.overlaps(range) { found.append(piece.clamped(to: range)) }
            case .many(let pieces):
                for piece in pieces where piece.range.overlaps(range) {
                    found.append(piece.clamped(to: range))
                }
            }
        }

        /// Puts a piece in the place of what it covers of the others.
        func replaced(with piece: WriteBackPiece) -> Pieces {
            if case .one(let old) = self, piece.range.contains(old.range) { return .one(piece) }
            var pieces = all
            pieces.replace(with: piece)
            return .many(pieces)
        }
    }

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
            pieces[chunk] = pieces[chunk].map { $0.replaced(with: piece) } ?? .one(piece)
        }
    }

    /// What of a range lies here, in no order.
    func pieces(in range: Range<Int>) -> [WriteBackPiece] {
        guard !pieces.isEmpty, !range.isEmpty else { return [] }
        let chunks = chunks(range)
        var found: [WriteBackPiece] = []
        if chunks.count <= pieces.count {
            for chunk in chunks {
                pieces[chunk]?.append(to: &found, in: range)
            }
        } else {
            for (chunk, here) in pieces where chunks.contains(chunk) {
                here.append(to: &found, in: range)
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
                chunks.contains(chunk) && here.overlaps(range)
            }
        }
        return chunks.contains { chunk in
            pieces[chunk]?.overlaps(range) ?? false
        }
    }

    /// All of it in the order of the volume.
    var sorted: [WriteBackPiece] {
        pieces.values.flatMap(\.all).sorted { $0.range.lowerBound < $1.range.lowerBound }
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
