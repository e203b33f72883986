package import System
package import SnapshotModel

/// The origin when it was last closed in order.
package struct OriginState: Hashable, Sendable, Codable {
    /// False while the origin is, or was when a process ended badly, open for writing.
    package var isClosed: Bool
    /// What the origin was like when the volume was closed; nil while it is open.
    package var stamp: OriginStamp?
    /// Of an origin under device-mapper, which has no time of change: a checksum of places that
    /// change whenever it is used.
    package var fingerprint: UInt32?
    /// Of an active one: what some chunks held while the area of the snapshot `samplesSince` grew, so
    /// that one that has changed since is in that area or in a later one.
    package var samples: [ChunkSum]?
    /// The snapshot whose area grew when ``samples`` were noted; nil without any.
    package var samplesSince: SnapshotID?
    /// True while the log of first writes may hold what is not in the origin. Programs that know of no
    /// such log refuse the record then, and with it the volume.
    package var hasWriteBack: Bool?

    package init(
        isClosed: Bool, stamp: OriginStamp?, fingerprint: UInt32? = nil, hasWriteBack: Bool? = nil
    ) {
        self.isClosed = isClosed
        self.stamp = stamp
        self.fingerprint = fingerprint
        self.hasWriteBack = hasWriteBack
    }
}

extension OriginState: VersionedRecord {
    /// 3 of one that tells of a log of first writes.
    package var formatVersion: Int { hasWriteBack == true ? 3 : 2 }
}

/// The CRC-32C of one chunk of the origin.
package struct ChunkSum: Hashable, Sendable, Codable {
    /// Of the origin, from 0.
    package var chunk: Int
    /// CRC-32C of its bytes.
    package var checksum: UInt32

    package init(chunk: Int, checksum: UInt32) {
        self.chunk = chunk
        self.checksum = checksum
    }
}
