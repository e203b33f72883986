internal import System
package import SnapshotModel

/// The bytes of a map of the index: `index/LEVEL-NUMBER.map`. All integers are little-endian.
///
///     0    "SMVI" | u32 version (1) | u64 chunk size in bytes | u32 fan-out | u32 level
///     24   u64 number of the block | 36 bytes of the volume's UUID, zeroes behind it | u32 zero
///     72   u64 m, the members | u64 n, the runs
///     88   u64 ordinal | u64 snapshot's id | i64 time in a catalog's form: what came after the block
///     112  m x { u64 ordinal | u64 snapshot's id | i64 time in a catalog's form | u64 exceptions
///               | u32 CRC-32C of the area's runs | u32 zero }
///          n x { u64 first chunk | u64 chunks | u64 first chunk in the area | u64 ordinal }
///          u32 CRC-32C of all bytes before
///
/// Members ascend; runs ascend, do not overlap, and none continues the one before.
package struct IndexMapCodec: Sendable {
    private let uuid: [UInt8]
    private let chunkBytes: Int
    /// How the index that it is of cuts the chain.
    package let shape: IndexShape

    /// The first bytes of a file.
    package static let magic: [UInt8] = Array("SMVI".utf8)
    /// The only one so far; a file of another is none of ours.
    package static let version: UInt32 = 1
    /// The bytes before the members.
    package static let headerBytes = 112
    /// The bytes of a member.
    package static let memberBytes = 40
    /// The bytes of a run.
    package static let runBytes = 32
    /// The largest file, in bytes.
    package static let bytesMaximum =
        headerBytes + IndexShape.standard.itemsMaximum * memberBytes + checksumBytes

    private static let checksumBytes = 4
    private static let uuidRange = 32..<68

    package init(_ volume: VolumeRecord, shape: IndexShape) {
        let text = Array(volume.uuid.utf8.prefix(Self.uuidRange.count))
        uuid = text + [UInt8](repeating: 0, count: Self.uuidRange.count - text.count)
        chunkBytes = volume.geometry.chunkBytes
        self.shape = shape
    }

    /// Where the runs end.
    private static func end(_ memberCount: Int, _ runCount: Int) -> Int {
        headerBytes + memberCount * memberBytes + runCount * runBytes
    }

    // MARK: Writing

    /// The file's content; nil when it would be too large.
    package func encode(_ map: IndexMap) -> [UInt8]? {
        let count = map.members.count + map.chunks.runs.count
        guard count <= shape.itemsMaximum else { return nil }
        let end = Self.end(map.members.count, map.chunks.runs.count)
        var buffer = AlignedBuffer(count: end + Self.checksumBytes)
        var bytes = buffer.mutableBytes
        encodeHeader(map, into: &bytes)
        var offset = Self.headerBytes
        for member in map.members {
            Self.encode(
                UInt64(member.ordinal.rawValue), UInt64(bitPattern: member.id.rawValue),
                UInt64(bitPattern: member.takenAt.stored), UInt64(member.digest.exceptionCount),
                at: &offset, into: &bytes)
            bytes.store(littleEndian: member.digest.checksum, at: offset)
            offset += Self.memberBytes - Self.runBytes
        }
        for run in map.chunks.runs {
            Self.encode(
                UInt64(run.origin.rawValue), UInt64(run.count), UInt64(run.area.rawValue),
                UInt64(run.ordinal.rawValue), at: &offset, into: &bytes)
        }
        var result = buffer.bytes.extracting(0..<end).array
        let checksum = CRC32C.checksum(result[...])
        for shift in stride(from: 0, to: 8 * Self.checksumBytes, by: 8) {
            result.append(UInt8(truncatingIfNeeded: checksum >> shift))
        }
        return result
    }

    @_lifetime(bytes: copy bytes)
    private func encodeHeader(_ map: IndexMap, into bytes: inout MutableRawSpan) {
        for (offset, byte) in Self.magic.enumerated() {
            bytes.store(littleEndian: byte, at: offset)
        }
        bytes.store(littleEndian: Self.version, at: 4)
        bytes.store(littleEndian: UInt64(chunkBytes), at: 8)
        bytes.store(littleEndian: UInt32(shape.fanOut), at: 16)
        bytes.store(littleEndian: UInt32(map.block.level), at: 20)
        bytes.store(littleEndian: UInt64(map.block.number), at: 24)
        for (offset, byte) in zip(Self.uuidRange, uuid) {
            bytes.store(littleEndian: byte, at: offset)
        }
        bytes.store(littleEndian: UInt64(map.members.count), at: 72)
        bytes.store(littleEndian: UInt64(map.chunks.runs.count), at: 80)
        bytes.store(littleEndian: UInt64(map.follower.ordinal.rawValue), at: 88)
        bytes.store(littleEndian: UInt64(bitPattern: map.follower.id.rawValue), at: 96)
        bytes.store(littleEndian: UInt64(bitPattern: map.follower.takenAt.stored), at: 104)
    }

    @_lifetime(bytes: copy bytes)
    private static func encode(
        _ first: UInt64, _ second: UInt64, _ third: UInt64, _ fourth: UInt64,
        at offset: inout Int, into bytes: inout MutableRawSpan
    ) {
        bytes.store(littleEndian: first, at: offset)
        bytes.store(littleEndian: second, at: offset + 8)
        bytes.store(littleEndian: third, at: offset + 16)
        bytes.store(littleEndian: fourth, at: offset + 24)
        offset += runBytes
    }

    // MARK: Reading

    /// How many members a file names, of which `header` has the first bytes; nothing is checked.
    package static func memberCount(_ header: RawSpan) -> Int {
        guard header.byteCount >= headerBytes else { return 0 }
        return Int(clamping: header.littleEndian(UInt64.self, at: 72))
    }

    /// Reads the map of a block back.
    package func decode(_ file: [UInt8], of block: IndexBlock) throws(IndexFault) -> IndexMap {
        let bytes = file.span.bytes
        guard bytes.byteCount >= Self.headerBytes + Self.checksumBytes,
            Array(file.prefix(Self.magic.count)) == Self.magic
        else { throw .damaged }
        guard bytes.littleEndian(UInt32.self, at: 4) == Self.version else { throw .foreign }
        let end = bytes.byteCount - Self.checksumBytes
        guard bytes.littleEndian(UInt32.self, at: end) == CRC32C.checksum(file[..<end]) else {
            throw .damaged
        }
        guard isOurs(bytes, block), Array(file[Self.uuidRange]) == uuid else { throw .foreign }
        let memberCount: UInt64 = bytes.littleEndian(at: 72)
        let runCount: UInt64 = bytes.littleEndian(at: 80)
        guard bytes.littleEndian(UInt32.self, at: 68) == 0,
            memberCount <= shape.itemsMaximum, runCount <= shape.itemsMaximum,
            memberCount + runCount <= shape.itemsMaximum,
            end == Self.end(Int(memberCount), Int(runCount))
        else { throw .damaged }
        let members = try Self.members(bytes, Int(memberCount), of: block)
        return IndexMap(
            block: block, members: members, follower: try Self.follower(bytes, of: block),
            chunks: try chunks(
                bytes, Int(runCount), from: Self.end(members.count, 0), members))
    }

    private func isOurs(_ bytes: RawSpan, _ block: IndexBlock) -> Bool {
        bytes.littleEndian(UInt64.self, at: 8) == UInt64(chunkBytes)
            && bytes.littleEndian(UInt32.self, at: 16) == UInt32(shape.fanOut)
            && bytes.littleEndian(UInt32.self, at: 20) == UInt32(block.level)
            && bytes.littleEndian(UInt64.self, at: 24) == UInt64(block.number)
    }

    private static func follower(
        _ bytes: RawSpan, of block: IndexBlock
    ) throws(IndexFault) -> IndexFollower {
        let (ordinal, id) = try identity(bytes, at: 88)
        guard ordinal >= block.end else { throw .damaged }
        return IndexFollower(ordinal: ordinal, id: id, takenAt: time(bytes, at: 104))
    }

    /// The ordinal and the id of a snapshot.
    private static func identity(
        _ bytes: RawSpan, at offset: Int
    ) throws(IndexFault) -> (SnapshotOrdinal, SnapshotID) {
        let ordinal = Int(exactly: bytes.littleEndian(UInt64.self, at: offset))
        let id = Int64(exactly: bytes.littleEndian(UInt64.self, at: offset + 8))
        guard let ordinal = ordinal.flatMap(SnapshotOrdinal.init(checking:)),
            let id = id.flatMap(SnapshotID.init(checking:))
        else { throw .damaged }
        return (ordinal, id)
    }

    private static func time(_ bytes: RawSpan, at offset: Int) -> Timestamp {
        Timestamp(stored: Int64(bitPattern: bytes.littleEndian(UInt64.self, at: offset)))
    }

    private static func members(
        _ bytes: RawSpan, _ count: Int, of block: IndexBlock
    ) throws(IndexFault) -> [IndexMember] {
        var members: [IndexMember] = []
        members.reserveCapacity(count)
        for index in 0..<count {
            let offset = headerBytes + index * memberBytes
            let (ordinal, id) = try identity(bytes, at: offset)
            let exceptions = Int(exactly: bytes.littleEndian(UInt64.self, at: offset + 24))
            guard let exceptions,
                bytes.littleEndian(UInt32.self, at: offset + 36) == 0, block.contains(ordinal),
                members.last.map({ $0.ordinal < ordinal }) ?? true
            else { throw .damaged }
            members.append(
                IndexMember(
                    ordinal: ordinal, id: id, takenAt: time(bytes, at: offset + 16),
                    digest: AreaDigest(
                        exceptionCount: exceptions,
                        checksum: bytes.littleEndian(UInt32.self, at: offset + 32))))
        }
        return members
    }

    private func chunks(
        _ bytes: RawSpan, _ count: Int, from start: Int, _ members: [IndexMember]
    ) throws(IndexFault) -> SourceMap {
        let ordinals = Set(members.map(\.ordinal))
        var map = SourceMap(capacity: count)
        var end = ChunkIndex(0)
        for index in 0..<count {
            let offset = start + index * Self.runBytes
            let origin: UInt64 = bytes.littleEndian(at: offset)
            let length: UInt64 = bytes.littleEndian(at: offset + 8)
            let area: UInt64 = bytes.littleEndian(at: offset + 16)
            let ordinal: UInt64 = bytes.littleEndian(at: offset + 24)
            guard let name = Int(exactly: ordinal),
                isWithinVolume(origin, length), isData(area, length)
            else { throw .damaged }
            let run = SourceRun(
                origin: ChunkIndex(Int(origin)), count: Int(length),
                ordinal: SnapshotOrdinal(rawValue: name), area: ChunkIndex(Int(area)))
            guard ordinals.contains(run.ordinal), run.origin >= end else { throw .damaged }
            end = run.originRange.upperBound
            map.append(run)
        }
        guard map.runs.count == count else { throw .damaged }
        return map
    }
}

extension IndexMapCodec {
    /// Whether the largest volume has these chunks. Whatever is added to them stays far below where
    /// numbers end.
    private func isWithinVolume(_ first: UInt64, _ count: UInt64) -> Bool {
        let limit = UInt64(Geometry.volumeBytesMaximum / chunkBytes)
        return first < limit && (1...limit - first).contains(count)
    }

    /// Whether the area of the largest volume has data in all of these chunks.
    private func isData(_ first: UInt64, _ count: UInt64) -> Bool {
        let format = AreaFormat(chunkBytes: chunkBytes)
        let limit =
            format.fullCoverageBytes(
                chunkCount: Geometry.volumeBytesMaximum / chunkBytes) / chunkBytes
        guard first >= 2, first < limit else { return false }
        let period = UInt64(format.entriesPerBlock + 1)
        let place = first % period
        // The next block of metadata, which may follow at once.
        let next = place == 0 ? 1 : period + 1 - place
        return place != 1 && count <= next
    }
}

/// Why a file of the index is not used.
package enum IndexFault: Error, Hashable, Sendable {
    /// It is not as it was written.
    case damaged
    /// It is of another version, of another store, or of a chain that is cut in another way.
    case foreign
}
