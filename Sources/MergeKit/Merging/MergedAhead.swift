internal import SnapshotModel

/// The chunks of a plan that were merged ahead of the others: ascending ranges that neither overlap
/// nor touch. What is asked of them costs the logarithm of their number, however many there are.
struct MergedAhead {
    private(set) var ranges: [Range<ChunkIndex>] = []

    var isEmpty: Bool { ranges.isEmpty }

    func contains(_ chunk: ChunkIndex) -> Bool {
        let index = ranges.lowestIndex { $0.upperBound > chunk }
        return index < ranges.count && ranges[index].lowerBound <= chunk
    }

    /// Up to where the chunks from `first` on are among them, or are not, as `first` is.
    func endOfAlike(from first: ChunkIndex, upTo limit: ChunkIndex) -> ChunkIndex {
        let index = ranges.lowestIndex { $0.upperBound > first }
        guard index < ranges.count else { return limit }
        let range = ranges[index]
        return min(limit, range.lowerBound <= first ? range.upperBound : range.lowerBound)
    }

    mutating func insert(_ range: Range<ChunkIndex>) {
        guard !range.isEmpty else { return }
        // What it overlaps or touches becomes one with it.
        let start = ranges.lowestIndex { $0.upperBound >= range.lowerBound }
        let end = max(start, ranges.lowestIndex { $0.lowerBound > range.upperBound })
        var whole = range
        if start < end {
            let (first, last) = (ranges[start], ranges[end - 1])
            whole =
                min(first.lowerBound, range.lowerBound)..<max(last.upperBound, range.upperBound)
        }
        ranges.replaceSubrange(start..<end, with: [whole])
    }

    mutating func removeAll(below cursor: ChunkIndex) {
        ranges.removeFirst(ranges.lowestIndex { $0.upperBound > cursor })
        if let first = ranges.first, first.lowerBound < cursor {
            ranges[0] = cursor..<first.upperBound
        }
    }
}
