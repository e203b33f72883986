import SnapshotModel

/// A part of a chunk map as it is stored: the runs that begin in one span of the origin.
///
/// A run belongs whole to the segment that it begins in, so a map of few runs is small however long
/// they are.
struct ChunkSegment: Hashable {
    /// The number of the span: it holds the origin's chunks from `number * span` on.
    var number: Int
    var bytes: [UInt8]

    /// The origin's chunks per segment; what bounds a blob to about a megabyte.
    static let span = 1 << 16
    /// Above every chunk of the largest volume with the smallest chunks (2^48), with room for an
    /// area's metadata; sums of such numbers do not overflow.
    static let chunkLimit = 1 << 52

    /// The runs of a map, a blob per segment that has any, in ascending order.
    ///
    /// - Throws: `constraint` when a chunk lies beyond ``chunkLimit``.
    static func segments(of map: ChunkMap) throws -> [ChunkSegment] {
        var segments: [ChunkSegment] = []
        var runs = map.runs[...]
        while let first = runs.first {
            let number = first.origin.rawValue / span
            let end = runs.firstIndex { $0.origin.rawValue / span != number } ?? runs.endIndex
            let bytes = try ChunkRunCodec.encode(runs[..<end], from: number * span)
            segments.append(ChunkSegment(number: number, bytes: bytes))
            runs = runs[end...]
        }
        return segments
    }

    /// The runs of the blob, ascending.
    ///
    /// - Throws: `corrupt` when it is not what ``segments(of:)`` writes.
    func runs() throws -> [ChunkRun] {
        guard (0..<Self.chunkLimit / Self.span).contains(number) else {
            throw ChunkRunCodec.corrupt("its segment number \(number) is out of range")
        }
        return try ChunkRunCodec.decode(bytes, from: number * Self.span)
    }
}
