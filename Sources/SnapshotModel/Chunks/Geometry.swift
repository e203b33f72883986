/// A volume's size and its unit of copy-on-write, both in bytes.
package struct Geometry: Hashable, Sendable, Codable {
    /// The size of the volume in bytes; a multiple of ``sectorBytes``, not of the chunk.
    package var volumeBytes: Int
    /// The size of a chunk in bytes: a power of two.
    package let chunkBytes: Int

    /// The unit in which sizes are counted on disk: 512 bytes.
    package static let sectorBytes = 512
    /// The chunk sizes that a volume may be created with, in bytes.
    package static let chunkBytesAllowed = 4096...(512 * 1024)
    /// The largest volume, in bytes: 8 EiB would overflow byte offsets, 1 EiB leaves room.
    package static let volumeBytesMaximum = 1 << 60

    package init(volumeBytes: Int, chunkBytes: Int) {
        self.volumeBytes = volumeBytes
        self.chunkBytes = chunkBytes
    }

    /// Reads a geometry that one can reckon with; any other is refused.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        volumeBytes = try container.decode(Int.self, forKey: .volumeBytes)
        chunkBytes = try container.decode(Int.self, forKey: .chunkBytes)
        guard isPossible else {
            throw DecodingError.dataCorruptedError(
                forKey: .volumeBytes, in: container, debugDescription: "an impossible geometry")
        }
    }

    private enum CodingKeys: String, CodingKey {
        case volumeBytes
        case chunkBytes
    }

    /// Whether a volume can be so; whatever is read from outside must be.
    package var isPossible: Bool {
        (0...Self.volumeBytesMaximum).contains(volumeBytes)
            && (Self.sectorBytes...Self.chunkBytesAllowed.upperBound).contains(chunkBytes)
            && chunkBytes & (chunkBytes - 1) == 0
    }

    /// The number of chunks; the last one may reach beyond the volume's end.
    package var chunkCount: Int { (volumeBytes + chunkBytes - 1) / chunkBytes }

    /// The chunk that contains the byte at `offset`.
    @inline(__always)
    package func chunk(containing offset: Int) -> ChunkIndex { ChunkIndex(offset / chunkBytes) }

    /// The chunks that a byte range touches, wholly or in part.
    package func chunks(touching range: Range<Int>) -> Range<ChunkIndex> {
        guard !range.isEmpty else {
            return chunk(containing: range.lowerBound)..<chunk(containing: range.lowerBound)
        }
        return chunk(
            containing: range.lowerBound)..<ChunkIndex(
                (range.upperBound + chunkBytes - 1) / chunkBytes)
    }

    /// The chunks that lie wholly in a byte range; a last, shorter chunk counts as whole when the
    /// range reaches the volume's end.
    package func chunks(within range: Range<Int>) -> Range<ChunkIndex> {
        let first = (range.lowerBound + chunkBytes - 1) / chunkBytes
        let end = range.upperBound >= volumeBytes ? chunkCount : range.upperBound / chunkBytes
        return ChunkIndex(first)..<ChunkIndex(max(first, end))
    }

    /// The bytes of a run of chunks, cut at the volume's end.
    package func bytes(of chunks: Range<ChunkIndex>) -> Range<Int> {
        let lower = min(chunks.lowerBound.rawValue.multipliedClamped(by: chunkBytes), volumeBytes)
        let upper = min(chunks.upperBound.rawValue.multipliedClamped(by: chunkBytes), volumeBytes)
        return lower..<max(lower, upper)
    }
}
