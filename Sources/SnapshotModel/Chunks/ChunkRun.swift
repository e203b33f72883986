/// Consecutive exceptions: `count` chunks of the origin from `origin` on, whose old contents lie in
/// as many consecutive chunks of an area from `area` on.
package struct ChunkRun: Hashable, Sendable, Codable {
    package var origin: ChunkIndex
    package var area: ChunkIndex
    package var count: Int

    @inlinable
    package init(origin: ChunkIndex, area: ChunkIndex, count: Int) {
        self.origin = origin
        self.area = area
        self.count = count
    }

    /// The origin's chunks that the run holds.
    @inlinable
    package var originRange: Range<ChunkIndex> { origin..<origin.advanced(by: count) }

    /// The part of the run that covers `range`, which must touch it.
    package func clamped(to range: Range<ChunkIndex>) -> ChunkRun {
        let part = originRange.clamped(to: range)
        return ChunkRun(
            origin: part.lowerBound,
            area: area.advanced(by: origin.distance(to: part.lowerBound)),
            count: part.count)
    }

    /// Whether `next` continues this run both in the origin and in the area.
    @inlinable
    package func isContinued(by next: ChunkRun) -> Bool {
        next.origin.rawValue == origin.rawValue + count
            && next.area.rawValue == area.rawValue + count
    }
}
