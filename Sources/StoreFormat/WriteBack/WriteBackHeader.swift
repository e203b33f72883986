internal import SnapshotModel
package import System

/// What the log of first writes says of itself, in one sector, so that it is there wholly or as it was
/// before: whose log it is, which of it is in the origin already, and how the origin was then.
/// docs/on-disk.md has every byte.
package struct WriteBackHeader: Hashable, Sendable {
    /// The volume's.
    package var uuid: String
    /// Of each of the two halves of the log, in bytes.
    package var segmentBytes: Int
    /// What the halves were filled with up to this generation is in the origin, durably.
    package var released: UInt64
    /// The origin as it was when nobody had it half-written for the last time.
    package var origin: OriginStamp
    /// Whether somebody of ours was writing to the origin since.
    package var isWriting: Bool
    /// When this was noted, on the clock by which files are dated, in nanoseconds since 1970.
    package var notedNanoseconds: Int64
    /// The start of the machine in which this was noted; empty when it is not known.
    package var boot: String

    package init(
        uuid: String, segmentBytes: Int, released: UInt64, origin: OriginStamp, isWriting: Bool,
        notedNanoseconds: Int64, boot: String
    ) {
        self.uuid = uuid
        self.segmentBytes = segmentBytes
        self.released = released
        self.origin = origin
        self.isWriting = isWriting
        self.notedNanoseconds = notedNanoseconds
        self.boot = boot
    }

    /// Why a header is none.
    package enum Flaw: Error, Hashable, Sendable {
        /// Nothing but zeroes: the log was never finished.
        case blank
        case damaged(String)
        case newer(version: UInt32)
    }

    /// The newest version that is read, and the one that is written.
    package static let version: UInt32 = 1
    /// The size of a header, in bytes; the rest of its block is zeroes.
    package static let byteCount = Geometry.sectorBytes
    /// What lies before the first half of the log.
    package static let blockBytes = 4096
    /// How long a half of the log may be, in bytes.
    package static let segmentBounds = 8 << 10...1 << 30

    private static let magic: UInt64 = 0x4C42_5750_414E_5301
    private static let generationMaximum: UInt64 = 1 << 62
    private static let checksumOffset = 12
    private static let uuidField = 72..<136
    private static let bootField = 136..<200
    private static let endOfFields = 200

    /// The size of the whole log's file, in bytes.
    package var fileBytes: Int { Self.blockBytes + 2 * segmentBytes }

    /// Where the half begins that a generation fills, in bytes.
    package func segmentStart(_ generation: UInt64) -> Int {
        Self.blockBytes + (generation & 1 == 0 ? 0 : segmentBytes)
    }

    /// The generations that may be in the log and not in the origin, the older one first.
    package var pending: ClosedRange<UInt64> { released + 1...released + 2 }

    /// - Parameter bytes: become the header; as long as one.
    package func encode(into bytes: inout MutableRawSpan) {
        bytes.zero()
        bytes.store(littleEndian: Self.magic, at: 0)
        bytes.store(littleEndian: Self.version, at: 8)
        bytes.store(littleEndian: UInt64(segmentBytes), at: 16)
        bytes.store(littleEndian: released, at: 24)
        bytes.store(littleEndian: origin.inode, at: 32)
        bytes.store(littleEndian: UInt64(origin.byteCount), at: 40)
        bytes.store(littleEndian: origin.modifiedNanoseconds, at: 48)
        bytes.store(littleEndian: notedNanoseconds, at: 56)
        bytes.store(littleEndian: UInt64(isWriting ? 1 : 0), at: 64)
        Self.store(uuid, in: Self.uuidField, of: &bytes)
        Self.store(boot, in: Self.bootField, of: &bytes)
        let checksum = bytes.bytes.crc32c()
        bytes.store(littleEndian: checksum, at: Self.checksumOffset)
    }

    private static func store(
        _ text: String, in field: Range<Int>, of bytes: inout MutableRawSpan
    ) {
        for (index, byte) in text.utf8.prefix(field.count).enumerated() {
            bytes.store(littleEndian: byte, at: field.lowerBound + index)
        }
    }

    /// - Parameter bytes: the header's sector.
    package static func decode(_ bytes: RawSpan) throws(Flaw) -> WriteBackHeader {
        guard bytes.byteCount == byteCount else { throw .damaged("it is too short") }
        guard !bytes.isZero else { throw .blank }
        guard bytes.littleEndian(UInt64.self, at: 0) == magic else {
            throw .damaged("it is no log of first writes")
        }
        guard checksum(of: bytes) == bytes.littleEndian(UInt32.self, at: checksumOffset) else {
            throw .damaged("its header's checksum does not match")
        }
        let found = bytes.littleEndian(UInt32.self, at: 8)
        guard found <= version else { throw .newer(version: found) }
        return try fields(bytes)
    }

    private static func checksum(of bytes: RawSpan) -> UInt32 {
        let before = bytes.extracting(0..<checksumOffset).crc32c()
        let without = [UInt8](repeating: 0, count: 4)
        return bytes.extracting(checksumOffset + 4..<byteCount)
            .crc32c(after: without.span.bytes.crc32c(after: before))
    }

    private static func fields(_ bytes: RawSpan) throws(Flaw) -> WriteBackHeader {
        let released = bytes.littleEndian(UInt64.self, at: 24)
        let flag = bytes.littleEndian(UInt64.self, at: 64)
        guard let segmentBytes = Int(exactly: bytes.littleEndian(UInt64.self, at: 16)),
            segmentBounds.contains(segmentBytes), segmentBytes % blockBytes == 0,
            released < generationMaximum, flag <= 1,
            let originBytes = Int(exactly: bytes.littleEndian(UInt64.self, at: 40)),
            bytes.extracting(endOfFields..<byteCount).isZero
        else { throw .damaged("its header says what cannot be") }
        return WriteBackHeader(
            uuid: text(uuidField, bytes), segmentBytes: segmentBytes, released: released,
            origin: OriginStamp(
                byteCount: originBytes,
                modifiedNanoseconds: bytes.littleEndian(Int64.self, at: 48),
                inode: bytes.littleEndian(UInt64.self, at: 32)),
            isWriting: flag == 1, notedNanoseconds: bytes.littleEndian(Int64.self, at: 56),
            boot: text(bootField, bytes))
    }

    private static func text(_ field: Range<Int>, _ bytes: RawSpan) -> String {
        String(decoding: bytes.extracting(field).array.prefix { $0 != 0 }, as: UTF8.self)
    }
}
