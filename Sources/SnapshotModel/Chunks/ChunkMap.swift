/// An area's index: which chunk of the area holds which chunk of the origin. Runs ascend by origin
/// chunk, do not overlap, and are as long as they can be.
package struct ChunkMap: Hashable, Sendable {
    package private(set) var runs: [ChunkRun]
    /// The number of exceptions.
    package private(set) var count: Int

    package init() {
        runs = []
        count = 0
    }

    /// An empty one, with room for so many runs.
    package init(capacity: Int) {
        self.init()
        runs.reserveCapacity(capacity)
    }

    /// Makes a map of runs in any order. Where two overlap, the map is not valid: nil.
    package init?(unordered: [ChunkRun]) {
        self.init()
        for run in unordered.sorted(by: { $0.origin < $1.origin }) {
            guard run.count > 0, append(run) else { return nil }
        }
    }

    /// Appends a run that begins at or after the map's end; false, and no change, when it does not.
    @discardableResult
    package mutating func append(_ run: ChunkRun) -> Bool {
        if let last = runs.last {
            guard last.originRange.upperBound <= run.origin else { return false }
            if last.isContinued(by: run) {
                runs[runs.count - 1].count += run.count
                count += run.count
                return true
            }
        }
        runs.append(run)
        count += run.count
        return true
    }

    package var isEmpty: Bool { runs.isEmpty }

    /// The index of the first run that ends after `chunk`; `runs.count` when there is none.
    package func firstRun(endingAfter chunk: ChunkIndex) -> Int {
        runs.lowestIndex { $0.originRange.upperBound > chunk }
    }

    /// The area's chunk for an origin's chunk, or nil when the area has no exception for it.
    package func areaChunk(for chunk: ChunkIndex) -> ChunkIndex? {
        let index = firstRun(endingAfter: chunk)
        guard index < runs.count, runs[index].origin <= chunk else { return nil }
        return runs[index].area.advanced(by: runs[index].origin.distance(to: chunk))
    }

    package func contains(_ chunk: ChunkIndex) -> Bool { areaChunk(for: chunk) != nil }

    /// The origin's chunks in the map, as a set of ranges.
    package var chunks: ChunkSet {
        var set = ChunkSet()
        for run in runs { set.append(run.originRange) }
        return set
    }
}
