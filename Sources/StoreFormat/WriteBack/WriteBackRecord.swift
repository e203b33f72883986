internal import SnapshotModel
internal import System

/// One write in the log: where its bytes belong in the volume, and where they lie in the log's file.
package struct WriteBackRecord: Hashable, Sendable {
    /// Of the volume.
    package var range: Range<Int>
    /// Where the bytes lie in the file.
    package var payloadOffset: Int

    package init(range: Range<Int>, payloadOffset: Int) {
        self.range = range
        self.payloadOffset = payloadOffset
    }

    /// The size of what stands before the bytes, in bytes.
    package static let headingBytes = 32
    /// What a record may hold at most, in bytes.
    package static let payloadMaximum = 1 << 20

    private static let magic: UInt32 = 0x3152_4257
    private static let checkedFrom = 8

    /// What a record takes in the log, in bytes: whole headings.
    package static func strideBytes(payload count: Int) -> Int {
        headingBytes + (count + headingBytes - 1) / headingBytes * headingBytes
    }

    /// What stands before a record's bytes.
    package struct Heading: Hashable, Sendable {
        /// CRC-32C of all that follows it.
        package var checksum: UInt32
        /// Of the half of the log that it fills.
        package var generation: UInt64
        /// Within its generation, from 0.
        package var sequence: UInt32
        /// In the volume.
        package var offset: Int
        /// Of the content behind it.
        package var byteCount: Int
    }

    /// Writes a record: its heading, and its bytes behind that.
    ///
    /// - Parameter bytes: as long as both.
    package static func encode(
        _ payload: RawSpan, at offset: Int, generation: UInt64, sequence: UInt32,
        into bytes: inout MutableRawSpan
    ) {
        bytes.store(littleEndian: magic, at: 0)
        bytes.store(littleEndian: generation, at: 8)
        bytes.store(littleEndian: UInt64(offset), at: 16)
        bytes.store(littleEndian: UInt32(payload.byteCount), at: 24)
        bytes.store(littleEndian: sequence, at: 28)
        var body = bytes.part(headingBytes..<headingBytes + payload.byteCount)
        body.copy(from: payload)
        let checksum = bytes.bytes
            .extracting(checkedFrom..<headingBytes + payload.byteCount).crc32c()
        bytes.store(littleEndian: checksum, at: 4)
    }

    /// What a record's first bytes say; nil when they are none's.
    package static func heading(_ bytes: RawSpan) -> Heading? {
        guard bytes.byteCount >= headingBytes, bytes.littleEndian(UInt32.self, at: 0) == magic,
            let offset = Int(exactly: bytes.littleEndian(UInt64.self, at: 16)),
            offset <= Geometry.volumeBytesMaximum
        else { return nil }
        let count = Int(bytes.littleEndian(UInt32.self, at: 24))
        guard (1...payloadMaximum).contains(count) else { return nil }
        return Heading(
            checksum: bytes.littleEndian(at: 4), generation: bytes.littleEndian(at: 8),
            sequence: bytes.littleEndian(at: 28), offset: offset, byteCount: count)
    }

    /// Whether a record, heading and bytes, is whole.
    package static func isWhole(_ bytes: RawSpan) -> Bool {
        guard bytes.byteCount > headingBytes else { return false }
        return bytes.extracting(checkedFrom..<bytes.byteCount).crc32c()
            == bytes.littleEndian(UInt32.self, at: 4)
    }
}
