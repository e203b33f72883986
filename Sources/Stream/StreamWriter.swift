package import SnapshotModel

/// Writes a stream: the volume; of each snapshot what it is, its frames by ascending place, and its end; and
/// the stream's end.
package final class StreamWriter {
    private let sink: any StreamSink
    private let compression: StreamCompression
    private let packer: StreamPacker
    private let digest: StreamDigest
    private var counts = StreamCounts()
    private var snapshotCount: UInt64 = 0
    private var recordCount: UInt64 = 0
    /// Zeroes that are not written yet: what follows may lengthen them.
    private var pending: (range: Range<Int>, isHole: Bool)?
    /// How many bytes of stream were written.
    package private(set) var byteCount = 0

    /// Begins a stream.
    ///
    /// - Parameter resumes: whether its first snapshot goes on from where an earlier stream was cut.
    /// - Throws: what the sink throws, as all of its functions do.
    package init(
        to sink: any StreamSink, of volume: StreamVolume, compression: StreamCompression,
        resumes: Bool = false
    ) throws(Problem) {
        self.sink = sink
        self.compression = compression
        packer = try StreamPacker()
        digest = try StreamDigest()
        let version = resumes ? StreamFormat.newestVersion : 1
        try write(StreamPreamble.encoded(version: version).span.bytes)
        try writeRecord(.volume, volume.encoded)
    }

    package func begin(_ snapshot: StreamSnapshot) throws(Problem) {
        counts = StreamCounts()
        try writeRecord(.snapshot, snapshot.encoded)
    }

    /// - Parameter offset: of the first byte in the volume, behind all that was written of the snapshot.
    package func data(_ bytes: RawSpan, at offset: Int) throws(Problem) {
        try writePending()
        var position = 0
        while position < bytes.byteCount {
            let end = min(bytes.byteCount, position + StreamFormat.frameBytesMaximum)
            try writeFrame(bytes.extracting(position..<end), at: offset + position)
            position = end
        }
    }

    /// A range that reads as zeroes; a hole takes no space either.
    package func zeroes(_ range: Range<Int>, isHole: Bool) throws(Problem) {
        guard !range.isEmpty else { return }
        if let known = pending, known.isHole == isHole, known.range.upperBound == range.lowerBound {
            pending = (known.range.lowerBound..<range.upperBound, isHole)
            return
        }
        try writePending()
        pending = (range, isHole)
    }

    /// The snapshot is whole.
    ///
    /// - Returns: what was written of it.
    @discardableResult
    package func take() throws(Problem) -> StreamCounts {
        try writePending()
        snapshotCount += 1
        try writeRecord(.take, StreamTrailer.encoded(counts, try digest.value()))
        return counts
    }

    /// The stream is whole.
    package func finish() throws(Problem) {
        let end = StreamTrailer.encoded(
            snapshots: snapshotCount, records: recordCount, try digest.value())
        try writeRecord(.done, end)
    }

    // MARK: Records

    private func writeFrame(_ bytes: RawSpan, at offset: Int) throws(Problem) {
        counts.dataFrames += 1
        counts.dataBytes += UInt64(bytes.byteCount)
        let range = offset..<offset + bytes.byteCount
        if case .zstd(let level) = compression,
            let packed = packer.compress(bytes, level: level)
        {
            let heading = StreamHeading(
                .data, flags: StreamFormat.compressed, payloadBytes: packed.count, range: range)
            return try write(heading, packed.span.bytes)
        }
        try write(
            StreamHeading(.data, payloadBytes: bytes.byteCount, range: range), bytes)
    }

    private func writePending() throws(Problem) {
        guard let (range, isHole) = pending else { return }
        pending = nil
        if isHole { counts.holeFrames += 1 } else { counts.zeroFrames += 1 }
        let none: [UInt8] = []
        try write(
            StreamHeading(isHole ? .hole : .zeroes, payloadBytes: 0, range: range), none.span.bytes)
    }

    private func writeRecord(_ tag: StreamFormat.Tag, _ payload: [UInt8]) throws(Problem) {
        guard payload.count <= StreamFormat.payloadBytesMaximum else {
            throw Problem(.failed, "a snapshot has more to say of itself than a stream can hold")
        }
        try write(StreamHeading(tag, payloadBytes: payload.count), payload.span.bytes)
    }

    private func write(_ heading: StreamHeading, _ payload: RawSpan) throws(Problem) {
        recordCount += 1
        try write(heading.encoded(payload: payload).span.bytes)
        if !payload.isEmpty { try write(payload) }
    }

    private func write(_ bytes: RawSpan) throws(Problem) {
        try digest.update(bytes)
        try sink.write(bytes)
        byteCount += bytes.byteCount
    }
}
