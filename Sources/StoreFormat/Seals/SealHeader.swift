package import SnapshotModel
internal import System

/// What a seal says of the area that it was made of, but for the sums of its chunks. The bytes are described
/// in docs/on-disk.md.
package struct SealHeader: Hashable, Sendable {
    /// The volume's chunk size in bytes.
    package var chunkBytes: Int
    /// The volume's UUID.
    package var uuid: String
    /// The snapshot whose area it is.
    package var owner: IndexFollower
    /// The snapshot that came after it: with it, the area was as it is for good.
    package var follower: IndexFollower
    /// The area's exceptions, as the index of views has them.
    package var digest: AreaDigest
    /// The CRC-32C of the area's header chunk and metadata blocks.
    package var listsChecksum: UInt32
    /// When it was made.
    package var sealedAt: Timestamp
    /// Whether some of the area had been there for long: what was wrong with it before is sealed.
    package var isLate: Bool
    /// Whether the area may have taken over more since: the seal is of its first exceptions.
    package var isGrowing: Bool
    /// The root of the hash tree: see ``SealTree``.
    package var root: [UInt8]

    package init(
        chunkBytes: Int, uuid: String, owner: IndexFollower, follower: IndexFollower,
        digest: AreaDigest, listsChecksum: UInt32, sealedAt: Timestamp, isLate: Bool,
        isGrowing: Bool, root: [UInt8]
    ) {
        self.chunkBytes = chunkBytes
        self.uuid = uuid
        self.owner = owner
        self.follower = follower
        self.digest = digest
        self.listsChecksum = listsChecksum
        self.sealedAt = sealedAt
        self.isLate = isLate
        self.isGrowing = isGrowing
        self.root = root
    }

    /// How many exceptions are sealed.
    package var count: Int { digest.exceptionCount }

    /// The file's size in bytes.
    package var fileBytes: Int { SealFormat.fileBytes(count) }
}

/// Why a seal is not used.
package enum SealFault: Error, Hashable, Sendable {
    /// It is not as it was written.
    case damaged
    /// It is of another store, or of a chain that went on in another way.
    case foreign
    /// A newer snapmgr has written it.
    case newer(UInt32)
    /// It cannot be read.
    case unreadable(IOFailureText)

    /// What the system said.
    package typealias IOFailureText = String
}

/// Positions and bytes of a seal's file.
package enum SealFormat {
    /// SMSL.
    static let magic: [UInt8] = [0x53, 0x4D, 0x53, 0x4C]
    /// The version that is written.
    package static let version: UInt32 = 1
    /// The bytes before the sums.
    package static let headerBytes = 256
    /// The bytes of a sum.
    package static let sumBytes = 8
    static let checksumBytes = 4
    static let rootBytes = 32
    /// More exceptions than the area of the largest volume has room for.
    static let countMaximum = Geometry.volumeBytesMaximum / 4096

    private static let uuidRange = 16..<52
    private static let checksumOffset = 252

    /// The size in bytes of a seal of so many exceptions.
    package static func fileBytes(_ count: Int) -> Int {
        headerBytes.addingClamped(count.multipliedClamped(by: sumBytes)).addingClamped(
            checksumBytes)
    }

    /// Where the sum of an exception is, by its place in the map.
    package static func offset(of index: Int) -> Int {
        headerBytes.addingClamped(index.multipliedClamped(by: sumBytes))
    }

    // MARK: Writing

    /// The header's bytes.
    package static func encode(_ header: SealHeader) -> [UInt8] {
        var buffer = AlignedBuffer(count: headerBytes)
        var bytes = buffer.mutableBytes
        for (offset, byte) in magic.enumerated() { bytes.store(littleEndian: byte, at: offset) }
        bytes.store(littleEndian: version, at: 4)
        bytes.store(littleEndian: UInt64(header.chunkBytes), at: 8)
        for (offset, byte) in zip(uuidRange, header.uuid.utf8) {
            bytes.store(littleEndian: byte, at: offset)
        }
        let flags: UInt32 = (header.isLate ? 1 : 0) | (header.isGrowing ? 2 : 0)
        bytes.store(littleEndian: flags, at: 52)
        store(header.owner, at: 56, into: &bytes)
        bytes.store(littleEndian: UInt64(header.digest.exceptionCount), at: 80)
        bytes.store(littleEndian: header.digest.checksum, at: 88)
        bytes.store(littleEndian: header.listsChecksum, at: 92)
        store(header.follower, at: 96, into: &bytes)
        bytes.store(littleEndian: UInt64(bitPattern: header.sealedAt.stored), at: 120)
        for (index, byte) in header.root.prefix(rootBytes).enumerated() {
            bytes.store(littleEndian: byte, at: 128 + index)
        }
        let checksum = buffer.bytes(in: 0..<checksumOffset).crc32c()
        var all = buffer.mutableBytes
        all.store(littleEndian: checksum, at: checksumOffset)
        return buffer.bytes.array
    }

    @_lifetime(bytes: copy bytes)
    private static func store(
        _ snapshot: IndexFollower, at offset: Int, into bytes: inout MutableRawSpan
    ) {
        bytes.store(littleEndian: UInt64(snapshot.ordinal.rawValue), at: offset)
        bytes.store(littleEndian: UInt64(bitPattern: snapshot.id.rawValue), at: offset + 8)
        bytes.store(littleEndian: UInt64(bitPattern: snapshot.takenAt.stored), at: offset + 16)
    }

    // MARK: Reading

    /// Reads a header back.
    ///
    /// - Parameters:
    ///   - file: the first bytes of a file.
    ///   - fileBytes: how long it is.
    package static func decode(_ file: RawSpan, fileBytes: Int) throws(SealFault) -> SealHeader {
        guard file.byteCount >= headerBytes else { throw .damaged }
        let bytes = file.extracting(0..<headerBytes)
        guard bytes.extracting(0..<magic.count).array == magic else { throw .damaged }
        let version: UInt32 = bytes.littleEndian(at: 4)
        // The checksum is where it is in every version: else a flipped bit would be a newer version.
        guard
            bytes.extracting(0..<checksumOffset).crc32c()
                == bytes.littleEndian(UInt32.self, at: checksumOffset)
        else { throw .damaged }
        guard version <= Self.version else { throw .newer(version) }
        let flags: UInt32 = bytes.littleEndian(at: 52)
        guard version == Self.version, flags <= 3,
            let chunkBytes = Int(exactly: bytes.littleEndian(UInt64.self, at: 8)),
            let count = Int(exactly: bytes.littleEndian(UInt64.self, at: 80)),
            count <= countMaximum, fileBytes == Self.fileBytes(count),
            bytes.extracting(160..<checksumOffset).isZero
        else { throw .damaged }
        let text = bytes.extracting(uuidRange).array.prefix { $0 != 0 }
        return SealHeader(
            chunkBytes: chunkBytes, uuid: String(decoding: text, as: UTF8.self),
            owner: try snapshot(bytes, at: 56), follower: try snapshot(bytes, at: 96),
            digest: AreaDigest(
                exceptionCount: count, checksum: bytes.littleEndian(at: 88)),
            listsChecksum: bytes.littleEndian(at: 92), sealedAt: time(bytes, at: 120),
            isLate: flags & 1 != 0, isGrowing: flags & 2 != 0,
            root: bytes.extracting(128..<128 + rootBytes).array)
    }

    private static func snapshot(
        _ bytes: RawSpan, at offset: Int
    ) throws(SealFault) -> IndexFollower {
        let ordinal = Int(exactly: bytes.littleEndian(UInt64.self, at: offset))
        let id = Int64(exactly: bytes.littleEndian(UInt64.self, at: offset + 8))
        guard let ordinal = ordinal.flatMap(SnapshotOrdinal.init(checking:)),
            let id = id.flatMap(SnapshotID.init(checking:))
        else { throw .damaged }
        return IndexFollower(ordinal: ordinal, id: id, takenAt: time(bytes, at: offset + 16))
    }

    private static func time(_ bytes: RawSpan, at offset: Int) -> Timestamp {
        Timestamp(stored: Int64(bitPattern: bytes.littleEndian(UInt64.self, at: offset)))
    }
}
