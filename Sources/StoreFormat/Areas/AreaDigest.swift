package import SnapshotModel

/// What a frozen area holds, in short: two areas with the same digest lead to the same chunks.
package struct AreaDigest: Hashable, Sendable {
    /// How many exceptions it has.
    package let exceptionCount: Int
    /// The CRC-32C of its runs, ascending and each as long as it can be: the first chunk of the origin,
    /// the number of chunks, the first chunk in the area, of 8 bytes each, the lowest first.
    package let checksum: UInt32

    package init(exceptionCount: Int, checksum: UInt32) {
        self.exceptionCount = exceptionCount
        self.checksum = checksum
    }

    package init(_ map: ChunkMap) {
        var checksum = CRC32C()
        for run in map.runs {
            checksum.update(littleEndian: UInt64(run.origin.rawValue))
            checksum.update(littleEndian: UInt64(run.count))
            checksum.update(littleEndian: UInt64(run.area.rawValue))
        }
        self.init(exceptionCount: map.count, checksum: checksum.value)
    }
}
