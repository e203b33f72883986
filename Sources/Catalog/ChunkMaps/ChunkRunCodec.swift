import SnapshotModel

/// The blob of a chunk map's segment, version 1.
///
///     offset  bytes   field
///     0       1       version: 1
///     1       varint  number of runs, 1...65536
///     then for every run, ascending by origin chunk:
///             varint  origin gap: chunks between the end of the run before (for the first run:
///                     the segment's first chunk) and this run's first origin chunk
///             varint  length of the run in chunks, minus 1
///             varint  area delta: this run's first area chunk minus the area chunk after the end
///                     of the run before (for the first run: minus 0); zigzag
///     end-4   4       CRC32C of all the bytes before it, little-endian
///
/// A varint is LEB128: seven bits per byte, lowest first, the top bit set in every byte but the
/// last; 1 to 9 bytes. Zigzag maps 0, -1, 1, -2 ... to 0, 1, 2, 3 ... Every run begins within the
/// segment's span and may end beyond it. A reader refuses another version: there is no optional part.
enum ChunkRunCodec {
    private static let version: UInt8 = 1
    private static let checksumBytes = 4
    private static let runBytesMinimum = 3

    static func encode(_ runs: ArraySlice<ChunkRun>, from base: Int) throws -> [UInt8] {
        var writer = VarintWriter()
        writer.bytes.append(version)
        writer.append(runs.count)
        var (origin, area) = (base, 0)
        for run in runs {
            let limit = ChunkSegment.chunkLimit
            guard run.origin.rawValue >= origin, run.area.rawValue >= 0, run.count > 0,
                run.area.rawValue <= limit - run.count, run.origin.rawValue <= limit - run.count
            else {
                throw CatalogError(
                    .constraint, "chunk \(run.origin) of a chunk map lies beyond what a volume has",
                    hint: "run \(.check())")
            }
            writer.append(run.origin.rawValue - origin)
            writer.append(run.count - 1)
            let delta = run.area.rawValue - area
            // The sign goes to the lowest bit.
            writer.append(delta << 1 ^ delta >> (Int.bitWidth - 1))
            (origin, area) = (run.origin.rawValue + run.count, run.area.rawValue + run.count)
        }
        let checksum = CRC32C.checksum(writer.bytes[...])
        for shift in stride(from: 0, to: 8 * checksumBytes, by: 8) {
            writer.bytes.append(UInt8(truncatingIfNeeded: checksum >> shift))
        }
        return writer.bytes
    }

    static func decode(_ blob: [UInt8], from base: Int) throws -> [ChunkRun] {
        var reader = VarintReader(try checkedBody(blob))
        guard let count = reader.next(), (1...ChunkSegment.span).contains(count),
            count <= reader.bytes.count / runBytesMinimum
        else { throw corrupt("its number of runs is impossible") }
        var runs: [ChunkRun] = []
        runs.reserveCapacity(count)
        var (origin, area) = (base, 0)
        for _ in 0..<count {
            let limit = ChunkSegment.chunkLimit
            guard let gap = reader.next(), let length = reader.next(), let zigzag = reader.next(),
                gap < ChunkSegment.span, length < limit, zigzag <= 2 * limit
            else { throw corrupt("a run is cut short or out of range") }
            origin += gap
            area += zigzag >> 1 ^ -(zigzag & 1)
            let run = ChunkRun(
                origin: ChunkIndex(origin), area: ChunkIndex(area), count: length + 1)
            guard origin < base + ChunkSegment.span, area >= 0, area <= limit - run.count,
                origin <= limit - run.count
            else { throw corrupt("a run lies outside of its segment") }
            runs.append(run)
            (origin, area) = (origin + run.count, area + run.count)
        }
        guard reader.bytes.isEmpty else { throw corrupt("bytes follow its last run") }
        return runs
    }

    static func corrupt(_ cause: String) -> CatalogError {
        .corrupt("a chunk map in the catalog is damaged: \(cause)")
    }

    /// The bytes between version and checksum, once both have been found right.
    private static func checkedBody(_ blob: [UInt8]) throws -> ArraySlice<UInt8> {
        guard blob.count > 1 + checksumBytes else { throw corrupt("it is too short") }
        let body = blob.dropLast(checksumBytes)
        let stored = blob.suffix(checksumBytes).reversed()
            .reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        guard CRC32C.checksum(body) == stored else { throw corrupt("its checksum does not match") }
        guard body.first == version else { throw corrupt("its version is unknown") }
        return body.dropFirst()
    }
}

private struct VarintWriter {
    var bytes: [UInt8] = []

    /// Appends a number that is not negative.
    mutating func append(_ value: Int) {
        var rest = UInt(value)
        while rest > 0x7F {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}

private struct VarintReader {
    private(set) var bytes: ArraySlice<UInt8>
    private static let bytesMaximum = 9

    init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

    /// The next number, never negative; nil when the bytes end within it or it is too long.
    mutating func next() -> Int? {
        var value = 0
        for position in 0..<Self.bytesMaximum {
            guard let byte = bytes.popFirst() else { return nil }
            value |= Int(byte & 0x7F) << (7 * position)
            if byte & 0x80 == 0 { return value }
        }
        return nil
    }
}
