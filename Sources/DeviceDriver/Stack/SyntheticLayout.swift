package import StoreFormat
package import SnapshotModel

/// The layout of a revert's synthetic exception store: the plan's exceptions in the order of the
/// origin's chunks, at the positions that the kernel's allocator would have given them, so that its
/// merge finds runs as long as they are. Pure.
///
/// Its header and metadata blocks lie in a file of the revert; every data chunk is a window onto the
/// frozen area that holds it. With E entries in a metadata block (see `AreaFormat`):
///
///     chunk 0                 header                      metadata file's chunk 0
///     chunk 1+(E+1)*k         metadata block k            metadata file's chunk 1+k
///     chunk 2+i+i/E           data of the i-th exception  the area's chunk
///
/// The last metadata block is the first that is not full, so that the list has an end.
package struct SyntheticLayout: Sendable {
    package let format: AreaFormat
    /// The exceptions: the plan's chunks.
    package let exceptionCount: Int
    /// The store's chunks, in order, joined where they continue.
    package private(set) var windows: [Window] = []

    /// Consecutive chunks of the store that lie one after the other somewhere.
    package struct Window: Hashable, Sendable {
        package var source: Source
        /// The first chunk there.
        package var first: ChunkIndex
        package var count: Int
    }

    package enum Source: Hashable, Sendable {
        /// The revert's metadata file.
        case metadata
        /// Of a frozen snapshot, or of a clone by its number in plans.
        case area(SnapshotOrdinal)
    }

    package init(plan: SourceMap, format: AreaFormat) {
        self.format = format
        exceptionCount = plan.count
        let entriesPerBlock = format.entriesPerBlock
        append(.metadata, ChunkIndex(0), 1)
        var position = 0
        for run in plan.runs {
            var done = 0
            while done < run.count {
                if position % entriesPerBlock == 0 { appendBlock(position / entriesPerBlock) }
                let room = entriesPerBlock - position % entriesPerBlock
                let count = min(room, run.count - done)
                append(.area(run.ordinal), run.area.advanced(by: done), count)
                position += count
                done += count
            }
        }
        if position % entriesPerBlock == 0 { appendBlock(position / entriesPerBlock) }
    }

    private mutating func appendBlock(_ block: Int) {
        append(.metadata, ChunkIndex(1 + block), 1)
    }

    private mutating func append(_ source: Source, _ first: ChunkIndex, _ count: Int) {
        if let last = windows.last, last.source == source,
            last.first.advanced(by: last.count) == first
        {
            windows[windows.count - 1].count += count
        } else {
            windows.append(Window(source: source, first: first, count: count))
        }
    }

    /// The metadata blocks, the last of which ends the list.
    package var blockCount: Int { exceptionCount / format.entriesPerBlock + 1 }

    /// The chunks of the metadata file.
    package var metadataChunkCount: Int { 1 + blockCount }

    /// The chunks of the whole store.
    package var chunkCount: Int { metadataChunkCount + exceptionCount }

    /// The chunk of the store that holds the data of the exception at `position`.
    package func dataChunk(_ position: Int) -> ChunkIndex {
        ChunkIndex(2 + position + position / format.entriesPerBlock)
    }

    /// The frozen areas that the windows look onto.
    package var areas: Set<SnapshotOrdinal> {
        windows.reduce(into: []) { areas, window in
            if case .area(let ordinal) = window.source { areas.insert(ordinal) }
        }
    }
}
