/// The number of a chunk: in an origin, or in an area's file (where chunk 0 is the header).
package struct ChunkIndex: RawRepresentable, Hashable, Sendable, Codable {
    package let rawValue: Int

    @inlinable
    package init(rawValue: Int) { self.rawValue = rawValue }

    @inlinable
    package init(_ rawValue: Int) { self.rawValue = rawValue }
}

extension ChunkIndex: Strideable {
    @inlinable
    package func distance(to other: ChunkIndex) -> Int { other.rawValue - rawValue }

    @inlinable
    package func advanced(by count: Int) -> ChunkIndex { ChunkIndex(rawValue + count) }

    @inlinable
    package static func < (left: ChunkIndex, right: ChunkIndex) -> Bool {
        left.rawValue < right.rawValue
    }

    @inlinable
    package static func == (left: ChunkIndex, right: ChunkIndex) -> Bool {
        left.rawValue == right.rawValue
    }
}

extension ChunkIndex: CustomStringConvertible {
    package var description: String { String(rawValue) }
}
