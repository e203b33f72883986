package import System
package import SnapshotModel

/// Positions and bytes of dm-snapshot's persistent exception store, version 1: an area's file.
///
/// All integers are little-endian. C is the chunk size in bytes, E = C / 16.
///
///     chunk 0            u32 magic 0x70416e53 ("SnAp") | u32 valid (1; 0: invalidated for ever)
///                        | u32 version (1) | u32 chunk size in 512-byte sectors | rest zero
///     chunk 1+(E+1)*k    metadata block k: E entries { u64 origin chunk, u64 chunk in this file }
///     other chunks       data; found only through an entry
///
/// The list of entries ends at the first whose chunk in this file is 0. When a metadata block is
/// full the next one must already be there, zeroed. Source: drivers/md/dm-snap-persistent.c of
/// Linux 6.1.
package struct AreaFormat: Hashable, Sendable {
    /// In bytes: that of the volume.
    package let chunkBytes: Int

    /// The first four bytes of an area, little-endian: `SnAp`, as in Linux' dm-snap-persistent.c.
    package static let magic: UInt32 = 0x7041_6e53
    /// That of the kernel's format; there is no other.
    package static let version: UInt32 = 1
    /// Two 64-bit numbers, little-endian: the origin's chunk and the area's.
    package static let entryBytes = 16
    /// The bytes of the header that carry something.
    package static let headerBytes = 16
    /// The first chunk that may hold data: after the header and metadata block 0.
    package static let firstDataChunk = ChunkIndex(2)

    package init(chunkBytes: Int) { self.chunkBytes = chunkBytes }

    /// The number of entries in a metadata block.
    package var entriesPerBlock: Int { chunkBytes / Self.entryBytes }

    /// The chunk of a metadata block.
    package func metadataChunk(_ block: Int) -> ChunkIndex {
        ChunkIndex(1 + (entriesPerBlock + 1) * block)
    }

    /// Whether a chunk of the area holds entries, and not data.
    package func isMetadata(_ chunk: ChunkIndex) -> Bool {
        chunk.rawValue % (entriesPerBlock + 1) == 1
    }

    /// The chunk that the kernel's allocator takes after this one.
    package func dataChunk(after chunk: ChunkIndex) -> ChunkIndex {
        let next = chunk.advanced(by: 1)
        return isMetadata(next) ? next.advanced(by: 1) : next
    }

    /// The size in bytes of a file that has room for exceptions of all chunks of a volume.
    package func fullCoverageBytes(chunkCount: Int) -> Int {
        (1 + chunkCount + (chunkCount + entriesPerBlock) / entriesPerBlock) * chunkBytes
    }

    /// The offset in bytes of a chunk of the file.
    package func offset(of chunk: ChunkIndex) -> Int { chunk.rawValue * chunkBytes }

    /// Writes a header over the first bytes of `bytes`, which are zero.
    @_lifetime(bytes: copy bytes)
    package func encodeHeader(isValid: Bool, into bytes: inout MutableRawSpan) {
        bytes.store(littleEndian: Self.magic, at: 0)
        bytes.store(littleEndian: UInt32(isValid ? 1 : 0), at: 4)
        bytes.store(littleEndian: Self.version, at: 8)
        bytes.store(littleEndian: UInt32(chunkBytes / Geometry.sectorBytes), at: 12)
    }

    @_lifetime(bytes: copy bytes)
    /// Writes an entry into its slot of a metadata chunk's bytes.
    package func encodeEntry(_ entry: AreaEntry, slot: Int, into bytes: inout MutableRawSpan) {
        bytes.store(littleEndian: UInt64(entry.origin.rawValue), at: slot * Self.entryBytes)
        bytes.store(littleEndian: UInt64(entry.area.rawValue), at: slot * Self.entryBytes + 8)
    }

    /// Reads a header; `isValid` in the result is the kernel's flag, not a verdict on the bytes.
    package func decodeHeader(_ bytes: RawSpan) throws(AreaFault) -> AreaHeader {
        guard bytes.byteCount >= Self.headerBytes else { throw .tooShort(bytes.byteCount) }
        let magic: UInt32 = bytes.littleEndian(at: 0)
        guard magic == Self.magic else { throw .wrongMagic(magic) }
        let version: UInt32 = bytes.littleEndian(at: 8)
        guard version == Self.version else { throw .unknownVersion(version) }
        let chunkSectors: UInt32 = bytes.littleEndian(at: 12)
        guard Int(chunkSectors) * Geometry.sectorBytes == chunkBytes else {
            throw .wrongChunkSize(sectors: chunkSectors, expectedBytes: chunkBytes)
        }
        let valid: UInt32 = bytes.littleEndian(at: 4)
        return AreaHeader(isValid: valid == 1)
    }

    /// Reads the entries of a metadata block up to the terminator, with no check of their values.
    package func decodeEntries(_ block: RawSpan, _ visit: (UInt64, UInt64) -> Void) -> Bool {
        for slot in 0..<min(entriesPerBlock, block.byteCount / Self.entryBytes) {
            let area: UInt64 = block.littleEndian(at: slot * Self.entryBytes + 8)
            guard area != 0 else { return false }
            visit(block.littleEndian(at: slot * Self.entryBytes), area)
        }
        return true
    }
}

/// One exception: where the old content of an origin's chunk lies in the area.
package struct AreaEntry: Hashable, Sendable {
    /// The chunk of the volume.
    package var origin: ChunkIndex
    /// The chunk of the area that has its old content.
    package var area: ChunkIndex

    package init(origin: ChunkIndex, area: ChunkIndex) {
        self.origin = origin
        self.area = area
    }
}

/// The first chunk of an area.
package struct AreaHeader: Hashable, Sendable {
    /// False when the area was given up for ever, with all snapshots that depend on it.
    package var isValid: Bool
}

/// What is wrong with an area's bytes.
package enum AreaFault: Error, Hashable, Sendable {
    case tooShort(Int)
    case wrongMagic(UInt32)
    case unknownVersion(UInt32)
    case wrongChunkSize(sectors: UInt32, expectedBytes: Int)
    case originChunkOutOfRange(UInt64, slot: Int)
    case areaChunkOutOfRange(UInt64, slot: Int)
    case metadataPosition(UInt64, slot: Int)
    case originChunkTwice(UInt64)
    case areaChunkTwice(UInt64)
    case unterminated
    case unreadable(IOFailure)
}

extension AreaFault: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tooShort(let count): "it is cut short, at \(count) bytes"
        case .wrongMagic(let magic):
            "its magic number is 0x\(String(magic, radix: 16)), not 0x70416e53"
        case .unknownVersion(let version): "its version is \(version), not 1"
        case .wrongChunkSize(let sectors, let expected):
            "its chunk size is \(sectors) sectors, the volume's \(expected / 512)"
        case .originChunkOutOfRange(let chunk, let slot):
            "entry \(slot) names origin chunk \(chunk), beyond the volume"
        case .areaChunkOutOfRange(let chunk, let slot):
            "entry \(slot) names chunk \(chunk), beyond the file"
        case .metadataPosition(let chunk, let slot):
            "entry \(slot) names chunk \(chunk), which holds metadata"
        case .originChunkTwice(let chunk): "origin chunk \(chunk) has two entries"
        case .areaChunkTwice(let chunk): "two entries name chunk \(chunk)"
        case .unterminated: "its last metadata block has no end"
        case .unreadable(let failure): failure.description
        }
    }
}
