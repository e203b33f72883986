package import SnapshotModel

/// What shows whether a file was changed by others while nobody of ours had it open.
package struct OriginStamp: Hashable, Sendable, Codable {
    package var byteCount: Int
    /// The time of the last change of content, in nanoseconds since 1970, modulo 2^64.
    package var modifiedNanoseconds: Int64
    package var inode: UInt64

    package init(byteCount: Int, modifiedNanoseconds: Int64, inode: UInt64) {
        self.byteCount = byteCount
        self.modifiedNanoseconds = modifiedNanoseconds
        self.inode = inode
    }

    /// The time of the last change: the one of the 584 years up to 2500.
    package var modifiedAt: Timestamp {
        let count = Int128(modifiedNanoseconds)
        let later = Timestamp(clampingNanoseconds: count + (Int128(1) << 64))
        return Timestamp.recordable.contains(later) ? later : Timestamp(clampingNanoseconds: count)
    }
}
