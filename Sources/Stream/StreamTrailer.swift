internal import SnapshotModel
internal import System

/// What a stream begins with.
enum StreamPreamble {
    static func encoded(version: UInt32) -> [UInt8] {
        var bytes = StreamFormat.magic + [UInt8](repeating: 0, count: 8)
        store(version, at: 8, in: &bytes)
        store(sum(of: bytes), at: 12, in: &bytes)
        return bytes
    }

    /// - Returns: the stream's version.
    /// - Throws: `corrupt` when it is no stream, `newer_version` when it is of a later version.
    static func check(_ bytes: [UInt8]) throws(Problem) -> UInt32 {
        guard bytes.starts(with: StreamFormat.magic) else {
            throw Problem(
                .corrupt, "this is no stream of snapshots: it does not begin as one",
                hint: "give what a sender writes to standard input; see \(.help(["send"]))")
        }
        let span = bytes.span.bytes
        let version: UInt32 = span.littleEndian(at: 8)
        let found: UInt32 = span.littleEndian(at: 12)
        guard found == sum(of: bytes) else {
            throw .damagedStream("its beginning has not the checksum that it says")
        }
        guard (1...StreamFormat.newestVersion).contains(version) else {
            throw .newerStream("is of version \(version)")
        }
        return version
    }

    private static func sum(of bytes: [UInt8]) -> UInt32 {
        bytes.span.bytes.extracting(0..<12).crc32c()
    }

    private static func store(_ number: UInt32, at offset: Int, in bytes: inout [UInt8]) {
        var elements = bytes.mutableSpan
        var span = elements.mutableBytes
        span.store(littleEndian: number, at: offset)
    }
}

/// What stands at the end of a snapshot, and of a stream: counts, and the SHA-256 of all bytes before.
enum StreamTrailer {
    static func encoded(_ counts: StreamCounts, _ digest: [UInt8]) -> [UInt8] {
        bytes([counts.dataFrames, counts.zeroFrames, counts.holeFrames, counts.dataBytes])
            + digest
    }

    static func encoded(snapshots: UInt64, records: UInt64, _ digest: [UInt8]) -> [UInt8] {
        bytes([snapshots, records]) + digest
    }

    private static func bytes(_ numbers: [UInt64]) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: numbers.count * 8)
        var elements = bytes.mutableSpan
        var span = elements.mutableBytes
        for (index, number) in numbers.enumerated() {
            span.store(littleEndian: number, at: index * 8)
        }
        return bytes
    }
}
