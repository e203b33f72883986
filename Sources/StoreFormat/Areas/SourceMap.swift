package import SnapshotModel

/// Consecutive chunks of the origin whose content lies in consecutive chunks of one area.
package struct SourceRun: Hashable, Sendable {
    /// The first chunk of the volume.
    package var origin: ChunkIndex
    /// In chunks.
    package var count: Int
    /// Whose area has them.
    package var ordinal: SnapshotOrdinal
    /// The first chunk of that area; the others follow it.
    package var area: ChunkIndex

    package init(origin: ChunkIndex, count: Int, ordinal: SnapshotOrdinal, area: ChunkIndex) {
        self.origin = origin
        self.count = count
        self.ordinal = ordinal
        self.area = area
    }

    /// The chunks of the volume.
    package var originRange: Range<ChunkIndex> { origin..<origin.advanced(by: count) }

    /// The part of the run that covers `range`, which must touch it.
    package func clamped(to range: Range<ChunkIndex>) -> SourceRun {
        let part = originRange.clamped(to: range)
        return SourceRun(
            origin: part.lowerBound, count: part.count, ordinal: ordinal,
            area: area.advanced(by: origin.distance(to: part.lowerBound)))
    }
}

/// For each chunk that some areas hold, the one area that serves it: an overlay of chunk maps.
package struct SourceMap: Hashable, Sendable {
    /// Ascending by origin chunk, without overlap.
    package private(set) var runs: [SourceRun] = []
    /// In chunks.
    package private(set) var count = 0

    package init() {}

    /// An empty one, with room for so many runs.
    package init(capacity: Int) { runs.reserveCapacity(capacity) }

    package init(_ map: ChunkMap, ordinal: SnapshotOrdinal) {
        runs = map.runs.map {
            SourceRun(origin: $0.origin, count: $0.count, ordinal: ordinal, area: $0.area)
        }
        count = map.count
    }

    /// The overlay of areas given oldest first; the oldest that has a chunk wins. The cost is linear
    /// in the runs, times the logarithm of the number of areas.
    package init(overlaying maps: [SourceMap]) {
        var level = maps
        while level.count > 1 {
            var next: [SourceMap] = []
            for index in stride(from: 0, to: level.count, by: 2) {
                next.append(
                    index + 1 < level.count
                        ? level[index].extended(by: level[index + 1]) : level[index])
            }
            level = next
        }
        self = level.first ?? SourceMap()
    }

    /// Whether there is nothing to copy.
    package var isEmpty: Bool { runs.isEmpty }

    /// All runs of this map, and from `newer` what this one lacks.
    package func extended(by newer: SourceMap) -> SourceMap {
        guard !newer.isEmpty else { return self }
        guard !isEmpty else { return newer }
        var result = SourceMap()
        result.runs.reserveCapacity(runs.count + newer.runs.count)
        var index = 0
        for run in newer.runs {
            var position = run.origin
            let end = run.originRange.upperBound
            while position < end {
                while index < runs.count, runs[index].originRange.upperBound <= position {
                    result.append(runs[index])
                    index += 1
                }
                let gapEnd = index < runs.count ? min(runs[index].origin, end) : end
                if position < gapEnd { result.append(run.clamped(to: position..<gapEnd)) }
                guard index < runs.count, gapEnd < end else { break }
                position = max(position, runs[index].originRange.upperBound)
            }
        }
        for rest in runs[index...] { result.append(rest) }
        return result
    }

    /// Appends a run that begins at or after the end.
    package mutating func append(_ run: SourceRun) {
        count += run.count
        if let last = runs.last, last.ordinal == run.ordinal,
            last.originRange.upperBound == run.origin,
            last.area.rawValue + last.count == run.area.rawValue
        {
            runs[runs.count - 1].count += run.count
        } else {
            runs.append(run)
        }
    }

    /// The index of the first run that ends after `chunk`; `runs.count` when there is none.
    package func firstRun(endingAfter chunk: ChunkIndex) -> Int {
        runs.lowestIndex { $0.originRange.upperBound > chunk }
    }

    /// The run that holds `chunk`, or nil.
    package func run(containing chunk: ChunkIndex) -> SourceRun? {
        let index = firstRun(endingAfter: chunk)
        guard index < runs.count, runs[index].origin <= chunk else { return nil }
        return runs[index]
    }

    /// The chunks of the volume that it has.
    package var chunks: ChunkSet {
        var set = ChunkSet()
        for run in runs { set.append(run.originRange) }
        return set
    }

    /// The chunks that some areas have, and those that the others have.
    package func split(
        by isFirst: (SnapshotOrdinal) -> Bool
    ) -> (first: SourceMap, second: SourceMap) {
        var (first, second) = (SourceMap(), SourceMap())
        for run in runs {
            if isFirst(run.ordinal) { first.append(run) } else { second.append(run) }
        }
        return (first, second)
    }

    /// The map of the origin's first `chunkCount` chunks.
    package func prefix(_ chunkCount: Int) -> SourceMap {
        guard let end = runs.last?.originRange.upperBound, end.rawValue > chunkCount else {
            return self
        }
        return subtracting(ChunkSet(ChunkIndex(chunkCount)..<end))
    }

    /// The map without the chunks of a set.
    package func subtracting(_ removed: ChunkSet) -> SourceMap {
        var result = SourceMap()
        for range in chunks.subtracting(removed).ranges {
            var index = firstRun(endingAfter: range.lowerBound)
            while index < runs.count, runs[index].origin < range.upperBound {
                result.append(runs[index].clamped(to: range))
                index += 1
            }
        }
        return result
    }
}
