internal import SnapshotModel

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
