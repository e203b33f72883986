/// A set of an origin's chunks as ascending ranges that neither overlap nor touch.
package struct ChunkSet: Hashable, Sendable {
    package private(set) var ranges: [Range<ChunkIndex>]
    /// The number of chunks in the set.
    package private(set) var count: Int

    package init() {
        ranges = []
        count = 0
    }

    package init(_ range: Range<ChunkIndex>) {
        self.init()
        append(range)
    }

    /// The union of ranges in any order, which may overlap.
    package init(unordered: [Range<ChunkIndex>]) {
        self.init()
        for range in unordered.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            let start = max(range.lowerBound, ranges.last?.upperBound ?? range.lowerBound)
            if start < range.upperBound { append(start..<range.upperBound) }
        }
    }

    package var isEmpty: Bool { ranges.isEmpty }

    /// Adds a range that begins at or after the end of the last one (it may touch it).
    package mutating func append(_ range: Range<ChunkIndex>) {
        guard !range.isEmpty else { return }
        count += range.count
        if let last = ranges.last {
            precondition(last.upperBound <= range.lowerBound, "chunk ranges must ascend")
            if last.upperBound == range.lowerBound {
                ranges[ranges.count - 1] = last.lowerBound..<range.upperBound
                return
            }
        }
        ranges.append(range)
    }

    package func contains(_ chunk: ChunkIndex) -> Bool {
        let index = ranges.lowestIndex { $0.upperBound > chunk }
        return index < ranges.count && ranges[index].lowerBound <= chunk
    }

    /// Chunks that are in either set. Linear in the ranges of both.
    package func union(_ other: ChunkSet) -> ChunkSet {
        combined(with: other) { $0 || $1 }
    }

    /// Chunks of this set that are not in the other. Linear in the ranges of both.
    package func subtracting(_ other: ChunkSet) -> ChunkSet {
        combined(with: other) { $0 && !$1 }
    }

    /// Chunks that are in both sets. Linear in the ranges of both.
    package func intersection(_ other: ChunkSet) -> ChunkSet {
        combined(with: other) { $0 && $1 }
    }

    /// One sweep over the bounds of both sets; `keep` says which of the four kinds of stretch stay.
    private func combined(with other: ChunkSet, keep: (Bool, Bool) -> Bool) -> ChunkSet {
        var result = ChunkSet()
        var (left, right) = (BoundCursor(ranges), BoundCursor(other.ranges))
        var position = ChunkIndex(0)
        while let bound = BoundCursor.nearest(left, right) {
            if keep(left.isInside, right.isInside) { result.append(position..<bound) }
            left.pass(bound)
            right.pass(bound)
            position = bound
        }
        return result
    }

    /// The union of many sets, by merging pairs so that the cost stays n log n.
    package static func union(_ sets: [ChunkSet]) -> ChunkSet {
        var level = sets
        while level.count > 1 {
            var next: [ChunkSet] = []
            for index in stride(from: 0, to: level.count, by: 2) {
                next.append(
                    index + 1 < level.count ? level[index].union(level[index + 1]) : level[index])
            }
            level = next
        }
        return level.first ?? ChunkSet()
    }
}

/// A place among the bounds of ascending ranges, for sweeps over two lists at once.
private struct BoundCursor {
    private let ranges: [Range<ChunkIndex>]
    private var index = 0
    private(set) var isInside = false

    init(_ ranges: [Range<ChunkIndex>]) { self.ranges = ranges }

    private var next: ChunkIndex? {
        guard index < ranges.count else { return nil }
        return isInside ? ranges[index].upperBound : ranges[index].lowerBound
    }

    mutating func pass(_ bound: ChunkIndex) {
        guard next == bound else { return }
        if isInside { index += 1 }
        isInside.toggle()
    }

    static func nearest(_ left: BoundCursor, _ right: BoundCursor) -> ChunkIndex? {
        switch (left.next, right.next) {
        case (let first?, let second?): min(first, second)
        case (let only?, nil), (nil, let only?): only
        case (nil, nil): nil
        }
    }
}
