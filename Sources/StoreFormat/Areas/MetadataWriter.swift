package import System

/// Writes the metadata blocks of an area that grows.
package struct MetadataWriter: Sendable {
    private let device: any BlockDevice
    private let format: AreaFormat

    /// The metadata blocks that one pair of syncs commits at most. Entries behind a gap, which a
    /// power cut may leave, are behind the list's end; this bounds how far.
    package static func blocksPerCommit(_ format: AreaFormat) -> Int {
        max(16, entriesPerCommit / format.entriesPerBlock)
    }

    /// Of small chunks many entries are committed at once when a log of first writes is brought into the
    /// origin.
    private static let entriesPerCommit = 16_384

    package init(device: any BlockDevice, format: AreaFormat) {
        self.device = device
        self.format = format
    }

    /// Makes the data written before, and then entries, durable, some metadata blocks at a time.
    ///
    /// - Returns: the block that the next entries go to.
    package func write(
        _ entries: [AreaEntry], from first: MetadataBlock
    ) -> Result<MetadataBlock, IOFailure> {
        var block = first
        var rest = entries[...]
        do throws(IOFailure) {
            while !rest.isEmpty {
                var dirty: [(block: MetadataBlock, bytes: Range<Int>)] = []
                while !rest.isEmpty, dirty.count < Self.blocksPerCommit(format) {
                    let part = rest.prefix(block.freeSlots)
                    rest = rest.dropFirst(part.count)
                    let bytes = block.append(part)
                    dirty.append((block, bytes))
                    guard block.freeSlots == 0 else { break }
                    block = MetadataBlock(index: block.index + 1, format: format)
                    try clear(block: block.index)
                }
                try device.sync()
                for (block, bytes) in dirty { try write(block, bytes: bytes) }
                try device.sync()
            }
            return .success(block)
        } catch { return .failure(error) }
    }

    /// Makes a metadata block zero; the caller syncs.
    private func clear(block: Int) throws(IOFailure) {
        let start = format.offset(of: format.metadataChunk(block))
        try device.punch(start..<start + format.chunkBytes)
        try device.allocate(start..<start + format.chunkBytes)
    }

    /// Writes a part of a block; the caller syncs.
    package func write(_ block: MetadataBlock, bytes dirty: Range<Int>) throws(IOFailure) {
        try block.withBytes(in: dirty) { (bytes: RawSpan) throws(IOFailure) in
            try device.write(
                bytes, at: format.offset(of: format.metadataChunk(block.index)) + dirty.lowerBound)
        }
    }
}
