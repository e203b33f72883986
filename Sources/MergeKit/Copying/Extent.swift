/// A stretch of a volume or snapshot, in bytes, that is data or reads as zeroes.
package struct Extent: Hashable, Sendable {
    package var range: Range<Int>
    /// Whether it is known to read as zeroes.
    package var isHole: Bool

    package init(range: Range<Int>, isHole: Bool) {
        self.range = range
        self.isHole = isHole
    }
}

/// Collects stretches, joining neighbours of the same kind, up to a number of extents.
struct ExtentList {
    private(set) var extents: [Extent] = []
    private let limit: Int

    init(limit: Int) { self.limit = max(1, limit) }

    /// Adds the stretch behind the last one; false when the list is full and it was not taken.
    mutating func append(_ range: Range<Int>, isHole: Bool) -> Bool {
        guard !range.isEmpty else { return true }
        if let last = extents.last, last.isHole == isHole {
            extents[extents.count - 1].range = last.range.lowerBound..<range.upperBound
            return true
        }
        guard extents.count < limit else { return false }
        extents.append(Extent(range: range, isHole: isHole))
        return true
    }
}
