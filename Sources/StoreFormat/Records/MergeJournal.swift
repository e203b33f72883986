package import System
package import SnapshotModel

/// Which chunks of a revert's plan are merged: `reverts/ID/journal`.
///
/// All integers little-endian; records of 512 bytes, which a disk writes whole or not at all:
///
///     record 0    "SMRJ" | u32 version (1) | u64 revert id | u64 chunk size in bytes
///                 | zero up to 508 | u32 CRC-32C of the first 508 bytes
///     record n    u64 n | u32 count (1...30) | u32 zero | count x { u64 first chunk, u64 chunks }
///                 | zero up to 508 | u32 CRC-32C of the first 508 bytes
///
/// The list ends at the first record that is not valid. A record is written only after the merged
/// data of its chunks is durable on the origin (I3), so that a stale record behind the end, from a
/// batch that a crash cut, still tells the truth if a later one makes it reachable.
package final class MergeJournal: Sendable {
    private let device: any BlockDevice
    private let nextRecord: NextRecord

    /// Only the thread that merges touches it.
    private final class NextRecord: @unchecked Sendable {
        var value: Int
        init(_ value: Int) { self.value = value }
    }

    /// The first bytes of the file.
    package static let magic: [UInt8] = Array("SMRJ".utf8)
    /// The only one so far; a journal of a newer one is refused.
    package static let version: UInt32 = 1
    /// A sector: a record is written whole, or is known by its checksum not to be.
    package static let recordBytes = 512
    /// As many as fit beside the checksum.
    package static let rangesPerRecord = 30
    private static let checkedBytes = 508
    private static let firstRangeOffset = 16

    private init(device: any BlockDevice, nextRecord: Int) {
        self.device = device
        self.nextRecord = NextRecord(nextRecord)
    }

    /// Starts a journal in an empty file; durable when it returns.
    package static func create(
        on device: any BlockDevice, revert: RevertID, chunkBytes: Int
    ) throws(IOFailure) -> MergeJournal {
        var buffer = AlignedBuffer(count: recordBytes)
        var bytes = buffer.mutableBytes
        for (offset, byte) in magic.enumerated() { bytes.store(littleEndian: byte, at: offset) }
        bytes.store(littleEndian: version, at: 4)
        bytes.store(littleEndian: UInt64(revert.rawValue), at: 8)
        bytes.store(littleEndian: UInt64(chunkBytes), at: 16)
        seal(&bytes)
        try device.write(buffer.bytes, at: 0)
        try device.sync()
        return MergeJournal(device: device, nextRecord: 1)
    }

    /// Opens a journal and reads the chunks that are merged. Chunks beyond `chunkCount` are damage.
    ///
    /// Opened for writing, what was read is made durable: after a sync that failed, the page cache
    /// may show marks that the disk does not hold, and a client would overwrite a chunk that after a
    /// power cut is merged again (I3).
    package static func open(
        on device: any BlockDevice, isWritable: Bool, revert: RevertID, chunkBytes: Int,
        chunkCount: Int
    ) throws(Problem) -> (journal: MergeJournal, merged: ChunkSet) {
        let size = try doing { () throws(IOFailure) in try device.byteCount() }
        var buffer = AlignedBuffer(count: recordBytes)
        try read(record: 0, of: device, into: &buffer)
        try check(header: buffer.bytes, of: device, revert: revert, chunkBytes: chunkBytes)
        var ranges: [Range<ChunkIndex>] = []
        var record = 1
        while (record + 1) * recordBytes <= size {
            try read(record: record, of: device, into: &buffer)
            guard let found = decode(buffer.bytes, record: record) else { break }
            guard found.allSatisfy({ $0.upperBound.rawValue <= chunkCount }) else {
                throw damaged(device, "record \(record) names a chunk beyond the volume")
            }
            ranges += found
            record += 1
        }
        if isWritable { try rewrite(recordCount: record, of: device) }
        return (MergeJournal(device: device, nextRecord: record), ChunkSet(unordered: ranges))
    }

    private static func rewrite(recordCount: Int, of device: any BlockDevice) throws(Problem) {
        try doing { () throws(IOFailure) in
            var buffer = AlignedBuffer(count: 64 * recordBytes)
            let end = recordCount * recordBytes
            for offset in stride(from: 0, to: end, by: buffer.count) {
                let count = min(buffer.count, end - offset)
                var bytes = buffer.mutableBytes(in: 0..<count)
                try device.read(into: &bytes, at: offset)
                try device.write(buffer.bytes(in: 0..<count), at: offset)
            }
            try device.sync()
        }
    }

    private static func check(
        header: RawSpan, of device: any BlockDevice, revert: RevertID, chunkBytes: Int
    ) throws(Problem) {
        guard isSealed(header), header.extracting(0..<4).array == magic else {
            throw damaged(device, "its header is not a journal's")
        }
        let version: UInt32 = header.littleEndian(at: 4)
        guard version <= Self.version else {
            throw Problem(
                .newerVersion, "\(device.path) has version \(version); this snapmgr reads up to 1",
                hint: "use the newer snapmgr that wrote it")
        }
        let id: UInt64 = header.littleEndian(at: 8)
        let chunk: UInt64 = header.littleEndian(at: 16)
        guard id == UInt64(revert.rawValue), chunk == UInt64(chunkBytes) else {
            throw damaged(device, "it belongs to another revert")
        }
    }

    /// Notes merged chunks, whose data the caller has made durable on the origin. Durable when it
    /// returns.
    package func append(_ ranges: [Range<ChunkIndex>]) throws(IOFailure) {
        guard !ranges.isEmpty else { return }
        let first = nextRecord.value
        let count = (ranges.count + Self.rangesPerRecord - 1) / Self.rangesPerRecord
        var buffer = AlignedBuffer(count: count * Self.recordBytes)
        for index in 0..<count {
            let start = index * Self.rangesPerRecord
            let part = ranges[start..<min(ranges.count, start + Self.rangesPerRecord)]
            let offset = index * Self.recordBytes
            var bytes = buffer.mutableBytes(in: offset..<offset + Self.recordBytes)
            Self.encode(part, record: first + index, into: &bytes)
        }
        try device.write(buffer.bytes, at: first * Self.recordBytes)
        try device.sync()
        nextRecord.value = first + count
    }

    @_lifetime(bytes: copy bytes)
    private static func encode(
        _ ranges: ArraySlice<Range<ChunkIndex>>, record: Int, into bytes: inout MutableRawSpan
    ) {
        bytes.store(littleEndian: UInt64(record), at: 0)
        bytes.store(littleEndian: UInt32(ranges.count), at: 8)
        var offset = firstRangeOffset
        for range in ranges {
            bytes.store(littleEndian: UInt64(range.lowerBound.rawValue), at: offset)
            bytes.store(littleEndian: UInt64(range.count), at: offset + 8)
            offset += 16
        }
        seal(&bytes)
    }

    /// A record's ranges; nil when it is not the record of that number, whole.
    package static func decode(_ bytes: RawSpan, record: Int) -> [Range<ChunkIndex>]? {
        guard bytes.byteCount == recordBytes, isSealed(bytes),
            bytes.littleEndian(UInt64.self, at: 0) == UInt64(record)
        else { return nil }
        let count = Int(bytes.littleEndian(UInt32.self, at: 8))
        guard (1...rangesPerRecord).contains(count) else { return nil }
        var ranges: [Range<ChunkIndex>] = []
        for index in 0..<count {
            let first: UInt64 = bytes.littleEndian(at: firstRangeOffset + index * 16)
            let length: UInt64 = bytes.littleEndian(at: firstRangeOffset + index * 16 + 8)
            // 2^52 chunks is far above every volume, and keeps the sum from overflowing.
            guard first < 1 << 52, length < 1 << 52 else { return nil }
            ranges.append(ChunkIndex(Int(first))..<ChunkIndex(Int(first + length)))
        }
        return ranges
    }

    @_lifetime(bytes: copy bytes)
    private static func seal(_ bytes: inout MutableRawSpan) {
        let checksum = CRC32C.checksum(bytes.bytes.extracting(0..<checkedBytes).array)
        bytes.store(littleEndian: checksum, at: checkedBytes)
    }

    private static func isSealed(_ bytes: RawSpan) -> Bool {
        bytes.littleEndian(UInt32.self, at: checkedBytes)
            == CRC32C.checksum(bytes.extracting(0..<checkedBytes).array)
    }

    private static func read(
        record: Int, of device: any BlockDevice, into buffer: inout AlignedBuffer
    ) throws(Problem) {
        do {
            var bytes = buffer.mutableBytes
            try device.read(into: &bytes, at: record * recordBytes)
        } catch { throw Problem(error) }
    }

    private static func damaged(_ device: any BlockDevice, _ cause: String) -> Problem {
        Problem(.corrupt, "\(device.path) is damaged: \(cause)", hint: "run \(.check())")
    }
}
