package import System
package import SnapshotModel

/// Reads an area's header and entries, and refuses what no writer of the format can have written.
package struct AreaReader {
    private let device: any BlockDevice
    private let format: AreaFormat
    /// The number of chunks that an entry may name in the origin.
    private let originChunkCount: Int

    package init(device: any BlockDevice, format: AreaFormat, originChunkCount: Int) {
        self.device = device
        self.format = format
        self.originChunkCount = originChunkCount
    }

    /// - Throws: when it is not a header, is of another version or chunk size, or cannot be read.
    package func header() throws(AreaFault) -> AreaHeader {
        let count = try reading { () throws(IOFailure) in try device.byteCount() }
        guard count >= 2 * format.chunkBytes else { throw .tooShort(count) }
        var buffer = AlignedBuffer(count: Geometry.sectorBytes)
        try read(into: &buffer, at: 0)
        return try format.decodeHeader(buffer.bytes)
    }

    /// The committed entries in the order of their commitment, the first `limit` of them.
    package func entries(limit: Int = .max) throws(AreaFault) -> [AreaEntry] {
        let (entries, fault) = try scan(limit: limit)
        if let fault { throw fault }
        return entries
    }

    /// The entries up to the first that no writer of the format can have written, and what is wrong
    /// with that. Fails only where the device does.
    private func scan(
        limit: Int
    ) throws(AreaFault) -> (entries: [AreaEntry], fault: AreaFault?) {
        var entries: [AreaEntry] = []
        var buffer = AlignedBuffer(count: format.chunkBytes)
        var block = 0
        while entries.count < limit {
            let chunk = format.metadataChunk(block)
            try read(into: &buffer, at: format.offset(of: chunk))
            // After the entries: whoever writes them, maybe just now, makes the file longer before.
            let fileChunks =
                try reading { () throws(IOFailure) in try device.byteCount() } / format.chunkBytes
            // The writer makes room for the next block before it fills one.
            guard chunk.rawValue < fileChunks else { return (entries, .unterminated) }
            var fault: AreaFault?
            let isFull = format.decodeEntries(buffer.bytes) { origin, area in
                guard fault == nil, entries.count < limit else { return }
                fault = check(origin: origin, area: area, slot: entries.count, fileChunks)
                guard fault == nil else { return }
                entries.append(
                    AreaEntry(origin: ChunkIndex(Int(origin)), area: ChunkIndex(Int(area))))
            }
            if let fault { return (entries, fault) }
            guard isFull else { break }
            block += 1
        }
        return (entries, nil)
    }

    /// What can be read of a damaged area: the entries up to the damage, the first `limit` of them,
    /// whatever the header's first bytes are. Nothing of a file that says of itself that it is of
    /// another version or chunk size.
    package func readableChunkMap(limit: Int = .max) throws(AreaFault) -> ChunkMap {
        do throws(AreaFault) { _ = try header() } catch {
            switch error {
            case .unknownVersion, .wrongChunkSize, .unreadable: return ChunkMap()
            default: break
            }
        }
        var (origins, areas): (Set<ChunkIndex>, Set<ChunkIndex>) = ([], [])
        let entries = try scan(limit: limit).entries.prefix { entry in
            origins.insert(entry.origin).inserted && areas.insert(entry.area).inserted
        }
        return try Self.chunkMap(of: Array(entries))
    }

    /// The area's chunk map: all committed entries, or the first `limit`.
    package func chunkMap(limit: Int = .max) throws(AreaFault) -> ChunkMap {
        try Self.chunkMap(of: try entries(limit: limit))
    }

    /// Makes a map of entries; no origin chunk and no chunk of the area may appear twice.
    package static func chunkMap(of entries: consuming [AreaEntry]) throws(AreaFault) -> ChunkMap {
        // Where nobody else has them they are sorted where they are.
        var sorted = entries
        sorted.sort { $0.area < $1.area }
        if let twice = zip(sorted, sorted.dropFirst()).first(where: { $0.area == $1.area }) {
            throw .areaChunkTwice(UInt64(twice.0.area.rawValue))
        }
        sorted.sort { $0.origin < $1.origin }
        if let twice = zip(sorted, sorted.dropFirst()).first(where: { $0.origin == $1.origin }) {
            throw .originChunkTwice(UInt64(twice.0.origin.rawValue))
        }
        return ChunkMap(ascending: sorted)
    }

    private func check(
        origin: UInt64, area: UInt64, slot: Int, _ fileChunks: Int
    ) -> AreaFault? {
        guard origin < UInt64(originChunkCount) else {
            return .originChunkOutOfRange(origin, slot: slot)
        }
        guard area < UInt64(fileChunks) else { return .areaChunkOutOfRange(area, slot: slot) }
        guard area >= 2, !format.isMetadata(ChunkIndex(Int(area))) else {
            return .metadataPosition(area, slot: slot)
        }
        return nil
    }

    private func read(into buffer: inout AlignedBuffer, at offset: Int) throws(AreaFault) {
        do {
            var bytes = buffer.mutableBytes
            try device.read(into: &bytes, at: offset)
        } catch { throw .unreadable(error) }
    }

    private func reading<Value>(
        _ body: () throws(IOFailure) -> Value
    ) throws(AreaFault) -> Value {
        do { return try body() } catch { throw .unreadable(error) }
    }
}
