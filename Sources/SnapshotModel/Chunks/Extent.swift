/// A stretch of a volume or snapshot, in bytes, that is data or reads as zeroes.
package struct Extent: Hashable, Sendable, Codable {
    package var range: Range<Int>
    /// Whether it is known to read as zeroes.
    package var isHole: Bool

    package init(range: Range<Int>, isHole: Bool) {
        self.range = range
        self.isHole = isHole
    }
}
