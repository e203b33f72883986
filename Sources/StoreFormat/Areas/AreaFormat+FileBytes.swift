package import SnapshotModel

// How long an area's file is.
extension AreaFormat {
    /// What a file that grows has room for at first, in bytes, unless its volume needs less. It is sparse,
    /// so that room costs nothing.
    package static let beginningBytes = 64 << 20

    /// The size in bytes with which the file of an area that grows begins: room for one exception at
    /// least, and for those of all chunks at most.
    package func beginningBytes(chunkCount: Int, wanted: Int = Self.beginningBytes) -> Int {
        let fewest = fullCoverageBytes(chunkCount: 1)
        let whole = max(fewest, wanted / chunkBytes * chunkBytes)
        return min(fullCoverageBytes(chunkCount: max(1, chunkCount)), whole)
    }

    /// The size in bytes that a file must have which has used all chunks before `next`, the next one for
    /// data. A metadata block that is due when those are full lies before it.
    package func usedBytes(before next: ChunkIndex) -> Int { offset(of: next) }

    /// The chunk that the kernel's allocator takes when `count` others were taken from this one on.
    package func dataChunk(_ chunk: ChunkIndex, skipping count: Int) -> ChunkIndex {
        let blocksBefore = (chunk.rawValue - 1) / (entriesPerBlock + 1)
        let number = chunk.rawValue - Self.firstDataChunk.rawValue - blocksBefore + count
        return Self.firstDataChunk.advanced(by: number + number / entriesPerBlock)
    }

    /// How many exceptions a file of so many bytes has room for.
    package func exceptionsMaximum(fileBytes: Int) -> Int {
        let chunks = fileBytes / chunkBytes - Self.firstDataChunk.rawValue
        guard chunks > 0 else { return 0 }
        let (blocks, rest) = chunks.quotientAndRemainder(dividingBy: entriesPerBlock + 1)
        // The last exception of a block needs the next block, too.
        return blocks * entriesPerBlock + min(rest, entriesPerBlock - 1)
    }
}
