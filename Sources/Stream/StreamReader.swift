package import SnapshotModel
internal import System

/// What comes next in a stream.
package enum StreamEvent: Sendable {
    /// A snapshot begins.
    case snapshot(StreamSnapshot)
    /// Bytes of the snapshot that has begun, from a place in the volume on.
    case data([UInt8], offset: Int)
    /// A range of it that reads as zeroes; a hole takes no space either.
    case zeroes(Range<Int>, isHole: Bool)
    /// The snapshot is whole, as it was sent.
    case take(StreamCounts)
    /// The stream is whole, and nothing follows.
    case done
}

/// Reads a stream, and refuses what is not as a sender wrote it: nothing is given that was not checked, and no
/// memory is taken for what the stream says of itself beyond two records' worth.
package final class StreamReader {
    private let source: any StreamSource
    private let packer: StreamPacker
    private let digest: StreamDigest
    private var version: UInt32 = 1
    /// The snapshot that has begun, and up to where its frames have come.
    private var current: (snapshot: StreamSnapshot, end: Int)?
    private var counts = StreamCounts()
    private var snapshotCount: UInt64 = 0
    private var recordCount: UInt64 = 0
    /// Whether the stream ended before its end, and nothing that came was wrong.
    package private(set) var isCut = false
    /// How many bytes of stream were read.
    package private(set) var byteCount = 0
    /// Where the stream comes from.
    package private(set) var volume = StreamVolume(uuid: "", name: "", chunkBytes: 0)

    /// Reads the stream's beginning.
    ///
    /// - Throws: `corrupt` when it is none, or cut; `newer_version` when it is of a later version.
    package init(from source: any StreamSource) throws(Problem) {
        self.source = source
        packer = try StreamPacker()
        digest = try StreamDigest()
        let preamble = try take(StreamFormat.preambleBytes)
        version = try StreamPreamble.check(preamble)
        try digest.update(preamble.span.bytes)
        let (heading, payload, _) = try nextRecord()
        guard heading.knownTag == .volume else {
            throw .damagedStream("it does not say what volume it comes from")
        }
        volume = try StreamVolume(fields: payload)
    }

    /// - Throws: `corrupt` when the stream is damaged or cut, `newer_version` when it has what is not known
    ///   here and may not be passed over.
    package func next() throws(Problem) -> StreamEvent {
        while true {
            let countBefore = recordCount
            let (heading, payload, before) = try nextRecord()
            guard let tag = heading.knownTag else {
                guard heading.isSkippable else {
                    throw .newerStream("has a record of an unknown kind")
                }
                continue
            }
            guard heading.flags == 0 || tag == .data && heading.flags == StreamFormat.compressed
            else { throw .newerStream("has a record of a known kind in an unknown form") }
            switch tag {
            case .volume: throw .damagedStream("it names its volume twice")
            case .snapshot: return .snapshot(try begin(payload))
            case .data: return try data(heading, payload)
            case .zeroes, .hole: return try zeroes(heading, payload)
            case .take: return .take(try end(payload, before))
            case .done:
                try checkEnd(payload, before, recordCount: countBefore)
                return .done
            }
        }
    }

    // MARK: Records

    private func begin(_ payload: [UInt8]) throws(Problem) -> StreamSnapshot {
        guard current == nil else { throw .damagedStream("a snapshot begins within another one") }
        let snapshot = try StreamSnapshot(fields: payload)
        guard snapshot.resumedAt == nil || version >= 2 && snapshotCount == 0 else {
            throw .damagedStream("a snapshot goes on that was not cut")
        }
        current = (snapshot, snapshot.resumedAt ?? 0)
        counts = StreamCounts()
        return snapshot
    }

    private func data(
        _ heading: StreamHeading, _ payload: [UInt8]
    ) throws(Problem) -> StreamEvent {
        let range = try range(heading)
        guard range.count <= StreamFormat.frameBytesMaximum else {
            throw .damagedStream("a frame has more data than any can have")
        }
        let isCompressed = heading.flags & StreamFormat.compressed != 0
        guard isCompressed ? payload.count < range.count : payload.count == range.count else {
            throw .damagedStream("a frame's length is not that of its data")
        }
        counts.dataFrames += 1
        counts.dataBytes += UInt64(range.count)
        let bytes = isCompressed ? try packer.expand(payload, to: range.count) : payload
        return .data(bytes, offset: range.lowerBound)
    }

    private func zeroes(
        _ heading: StreamHeading, _ payload: [UInt8]
    ) throws(Problem) -> StreamEvent {
        guard payload.isEmpty else { throw .damagedStream("a frame of zeroes has data") }
        let range = try range(heading)
        let isHole = heading.knownTag == .hole
        if isHole { counts.holeFrames += 1 } else { counts.zeroFrames += 1 }
        return .zeroes(range, isHole: isHole)
    }

    /// Where a frame belongs: behind all others of its snapshot, in sectors, within the volume.
    private func range(_ heading: StreamHeading) throws(Problem) -> Range<Int> {
        guard let (snapshot, end) = current else {
            throw .damagedStream("a frame belongs to no snapshot")
        }
        guard let offset = Int(exactly: heading.offset), let length = Int(exactly: heading.length),
            offset >= end, length > 0, offset <= snapshot.volumeBytes,
            length <= snapshot.volumeBytes - offset,
            offset.isMultiple(of: Geometry.sectorBytes),
            length.isMultiple(of: Geometry.sectorBytes)
        else { throw .damagedStream("a frame lies where none can lie") }
        guard snapshot.base != nil || offset == end else {
            throw .damagedStream("a snapshot that is to be whole lacks bytes from \(end) on")
        }
        current = (snapshot, offset + length)
        return offset..<offset + length
    }

    private func end(_ payload: [UInt8], _ digest: [UInt8]) throws(Problem) -> StreamCounts {
        guard let (snapshot, end) = current else {
            throw .damagedStream("a snapshot ends that has not begun")
        }
        guard snapshot.base != nil || end == snapshot.volumeBytes else {
            throw .damagedStream("a snapshot that is to be whole lacks bytes from \(end) on")
        }
        guard payload == StreamTrailer.encoded(counts, digest) else {
            throw .damagedStream("the counts or the SHA-256 of a snapshot are others")
        }
        current = nil
        snapshotCount += 1
        return counts
    }

    private func checkEnd(
        _ payload: [UInt8], _ digest: [UInt8], recordCount: UInt64
    ) throws(Problem) {
        guard current == nil else { throw .damagedStream("it ends within a snapshot") }
        let expected = StreamTrailer.encoded(
            snapshots: snapshotCount, records: recordCount, digest)
        guard payload == expected else {
            throw .damagedStream("the counts or the SHA-256 of the whole are others")
        }
        guard try fill(1).isEmpty else { throw .damagedStream("something follows its end") }
    }

    // MARK: Bytes

    private typealias Record = (heading: StreamHeading, payload: [UInt8], digestBefore: [UInt8])

    /// The next record, of which nothing is believed before its checksum; with the SHA-256 of what came before,
    /// where the record may say it.
    private func nextRecord() throws(Problem) -> Record {
        let bytes = try take(StreamFormat.headingBytes)
        let heading = try StreamHeading(bytes.span.bytes)
        let payload = try take(heading.payloadBytes)
        try StreamHeading.check(bytes, payload.span.bytes)
        let isTrailer = heading.knownTag == .take || heading.knownTag == .done
        let before = isTrailer ? try digest.value() : []
        try digest.update(bytes.span.bytes)
        try digest.update(payload.span.bytes)
        recordCount += 1
        return (heading, payload, before)
    }

    private func take(_ count: Int) throws(Problem) -> [UInt8] {
        let bytes = try fill(count)
        guard bytes.count == count else {
            isCut = true
            throw .cutStream(
                byteCount == 0 ? "before its beginning: it is empty" : "after \(byteCount) bytes")
        }
        return bytes
    }

    /// So many bytes, or fewer at the end.
    private func fill(_ count: Int) throws(Problem) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        var elements = bytes.mutableSpan
        var span = elements.mutableBytes
        while done < count {
            var rest = span.part(done..<count)
            let read = try source.read(into: &rest)
            guard read > 0 else { break }
            done += read
        }
        byteCount += done
        return done == count ? bytes : Array(bytes[..<done])
    }
}
