internal import System
internal import SnapshotModel
internal import StoreFormat

/// Fills chunks of a clone's area that it had none of: the new bytes, and around them what the snapshot
/// has there.
struct CloneFill {
    let geometry: Geometry
    let format: AreaFormat
    let view: ViewDevice
    let area: any BlockDevice
    /// The bytes of the clone that are new.
    let part: Range<Int>
    /// Whether the area's chunks may hold bytes of an earlier, failed fill.
    let isRecycled: Bool

    /// Writes the chunks of some entries with new content.
    ///
    /// - Parameter offset: where `bytes` begin in the clone.
    func write(_ bytes: RawSpan, at offset: Int, _ entries: [AreaEntry]) throws(IOFailure) {
        try clear(entries)
        var index = 0
        while index < entries.count {
            let run = run(of: entries, from: index)
            let whole = geometry.bytes(of: run.originRange)
            let new = whole.clamped(to: part)
            if new == whole {
                try area.write(
                    bytes.extracting(new.lowerBound - offset..<new.upperBound - offset),
                    at: format.offset(of: run.area))
            } else {
                var buffer = try load(whole)
                var place = buffer.mutableBytes(
                    in: new.lowerBound - whole.lowerBound..<new.upperBound - whole.lowerBound)
                place.copy(
                    from: bytes.extracting(new.lowerBound - offset..<new.upperBound - offset))
                try area.write(buffer.bytes, at: format.offset(of: run.area))
            }
            index += run.count
        }
    }

    /// Leaves holes for the chunks of some entries that become zero, and writes the others.
    func zero(_ entries: [AreaEntry]) throws(IOFailure) {
        try clear(entries)
        var index = 0
        while index < entries.count {
            let run = run(of: entries, from: index)
            let whole = geometry.bytes(of: run.originRange)
            let new = whole.clamped(to: part)
            if new != whole {
                var buffer = try load(whole)
                var place = buffer.mutableBytes(
                    in: new.lowerBound - whole.lowerBound..<new.upperBound - whole.lowerBound)
                place.zero()
                try area.write(buffer.bytes, at: format.offset(of: run.area))
            }
            index += run.count
        }
    }

    private func clear(_ entries: [AreaEntry]) throws(IOFailure) {
        guard isRecycled else { return }
        for entry in entries {
            let start = format.offset(of: entry.area)
            try area.punch(start..<start + format.chunkBytes)
        }
    }

    /// Entries that continue each other in the clone and in the area, and are all new or all not wholly new:
    /// of the latter, one.
    private func run(of entries: [AreaEntry], from index: Int) -> ChunkRun {
        var run = ChunkRun(origin: entries[index].origin, area: entries[index].area, count: 1)
        guard isNew(run.origin) else { return run }
        while index + run.count < entries.count {
            let next = entries[index + run.count]
            guard next.origin == run.originRange.upperBound,
                next.area == run.area.advanced(by: run.count), isNew(next.origin)
            else { break }
            run.count += 1
        }
        return run
    }

    /// Whether all of a chunk is new.
    private func isNew(_ chunk: ChunkIndex) -> Bool {
        let whole = geometry.bytes(of: chunk..<chunk.advanced(by: 1))
        return whole.clamped(to: part) == whole
    }

    /// A chunk as the snapshot has it.
    private func load(_ whole: Range<Int>) throws(IOFailure) -> AlignedBuffer {
        var buffer = AlignedBuffer(count: whole.count)
        var bytes = buffer.mutableBytes
        try view.read(into: &bytes, at: whole.lowerBound)
        return buffer
    }
}
