import System
import DeviceMapper
import StoreFormat
import SnapshotModel

extension FormatRig {
    /// The entries that must be there: chunks in the order of their first writes, in the order in
    /// which the kernel's allocator gives them out.
    var expectedEntries: [AreaEntry] {
        var next = AreaFormat.firstDataChunk
        return preserved.map { chunk in
            defer { next = shape.format.dataChunk(after: next) }
            return AreaEntry(origin: ChunkIndex(chunk), area: next)
        }
    }

    /// With the snapshot attached: the kernel has read, or written, exactly the expected entries,
    /// and shows the volume as it was, whole.
    func expectKernelShowsSnapshot() throws {
        let sectors = shape.chunkBytes / Geometry.sectorBytes
        let entries = expectedEntries
        let nextFree =
            entries.last.map { shape.format.dataChunk(after: $0.area) } ?? AreaFormat.firstDataChunk
        // The header, the full metadata blocks, and the one that is being filled.
        let metadataChunks = 2 + entries.count / shape.format.entriesPerBlock
        let expected = SnapshotTargetStatus.usage(
            allocatedSectors: nextFree.rawValue * sectors,
            totalSectors: areaBytes / Geometry.sectorBytes,
            metadataSectors: metadataChunks * sectors)
        try expectEqual(
            try stack.snapshotStatus(), expected, "the kernel's status of the snapshot")
        try expectContents()
    }

    /// With the snapshot attached: it shows the volume as it was, whole, and the volume what was
    /// written to it.
    func expectContents() throws {
        try before.expect(
            on: DirectDevice(path: stack.snapshotPath, isReadOnly: true), "the kernel's snapshot")
        try now.expect(
            on: DirectDevice(path: stack.topPath, isReadOnly: true), "the volume in the kernel")
    }

    /// Reads the area as it is on its device now.
    func reader() throws -> AreaReader {
        AreaReader(
            device: try DirectDevice(path: areaPath, isReadOnly: true), format: shape.format,
            originChunkCount: shape.chunkCount)
    }

    func readEntries() throws -> [AreaEntry] { try reader().entries() }

    /// With the snapshot detached: our reader finds exactly the expected entries in the area, and the
    /// old content in the chunks that they name.
    func expectReaderFindsSnapshot() throws {
        let device = try DirectDevice(path: areaPath, isReadOnly: true)
        try expect(try reader().header().isValid, "the area is marked as invalid")
        let entries = try readEntries()
        try expectSame(entries, expectedEntries)
        for entry in entries where !isVacant(entry.origin) {
            let chunk = entry.origin.rawValue
            let perChunk = FormatShape.blocksPerChunk
            let blocks = chunk * perChunk..<min(before.blockCount, (chunk + 1) * perChunk)
            var buffer = AlignedBuffer(count: before.range(of: blocks).count)
            try device.read(into: &buffer, at: shape.format.offset(of: entry.area))
            if let difference = before.difference(of: buffer.bytes, from: blocks) {
                try expect(false, "chunk \(entry.area) for chunk \(chunk) \(difference)")
            }
        }
        try expectBytes(of: entries, on: device)
    }

    private func isVacant(_ chunk: ChunkIndex) -> Bool {
        before.sampled.contains(chunk.rawValue * FormatShape.blocksPerChunk)
    }

    private func expectSame(_ found: [AreaEntry], _ expected: [AreaEntry]) throws {
        for (slot, (one, other)) in zip(found, expected).enumerated() where one != other {
            try expect(
                false,
                "entry \(slot) says \(one.origin) is in \(one.area), expected \(other.origin) in "
                    + "\(other.area)")
        }
        try expectEqual(found.count, expected.count, "number of entries")
    }

    /// The header and the metadata blocks are, byte for byte, what the format says, and nothing is
    /// behind the last entry.
    private func expectBytes(of entries: [AreaEntry], on device: DirectDevice) throws {
        let format = shape.format
        var found = AlignedBuffer(count: shape.chunkBytes)
        try device.read(into: &found, at: 0)
        var header = AlignedBuffer(count: shape.chunkBytes)
        var headerBytes = header.mutableBytes
        format.encodeHeader(isValid: true, into: &headerBytes)
        try expect(found.bytes.array == header.bytes.array, "the header has other bytes")
        for block in 0...entries.count / format.entriesPerBlock {
            let first = block * format.entriesPerBlock
            var expected = AlignedBuffer(count: shape.chunkBytes)
            var bytes = expected.mutableBytes
            for (slot, entry) in entries[first...].prefix(format.entriesPerBlock).enumerated() {
                format.encodeEntry(entry, slot: slot, into: &bytes)
            }
            try device.read(into: &found, at: format.offset(of: format.metadataChunk(block)))
            try expect(
                found.bytes.array == expected.bytes.array,
                "metadata block \(block), at chunk \(format.metadataChunk(block)), has other bytes")
        }
    }
}
