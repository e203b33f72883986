internal import FoundationEssentials
package import SnapshotModel

/// Bytes of a snapshot or a volume. On the wire they are a text in base 64.
package struct VolumeContent: Hashable, Sendable, Codable {
    /// The bytes, as many as were asked for.
    package var bytes: [UInt8]

    /// So many are given at once at most.
    package static let countMaximum = 4 << 20

    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    package init(from decoder: any Decoder) throws {
        bytes = [UInt8](try decoder.singleValueContainer().decode(Data.self))
    }

    /// A text in base 64.
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(Data(bytes))
    }

    /// Reads bytes by a function that fills a buffer from an offset on.
    ///
    /// - Throws: `usage` for more than is given at once.
    package static func read(
        count: Int, at offset: Int,
        by read: (inout MutableRawSpan, Int) throws(Problem) -> Void
    ) throws(Problem) -> VolumeContent {
        guard offset >= 0, (1...countMaximum).contains(count) else {
            throw Problem(.usage, "1 to \(countMaximum) bytes can be read at once, from 0 on")
        }
        var bytes = [UInt8](repeating: 0, count: count)
        var elements = bytes.mutableSpan
        var span = elements.mutableBytes
        try read(&span, offset)
        return VolumeContent(bytes)
    }
}
