internal import StoreFormat
internal import System

/// A record on its way to the file.
struct RecordBuffer: ~Copyable {
    private var buffer = AlignedBuffer(
        count: WriteBackRecord.headingBytes + WriteBackLog.payloadMaximum)

    /// Writes a segment's next record.
    mutating func write(
        _ payload: RawSpan, at offset: Int, of segment: WriteBackSegment,
        to device: any BlockDevice, position: Int
    ) throws(IOFailure) {
        let count = WriteBackRecord.headingBytes + payload.byteCount
        var bytes = buffer.mutableBytes(in: 0..<count)
        WriteBackRecord.encode(
            payload, at: offset, generation: segment.generation, sequence: segment.recordCount,
            into: &bytes)
        try device.write(buffer.bytes(in: 0..<count), at: position)
    }
}
