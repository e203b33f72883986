package import System
internal import SnapshotModel

/// Reads a log of first writes, and believes nothing of it that is not whole.
package struct WriteBackReader {
    /// The log's file.
    package let device: any BlockDevice
    /// As it was when the reader was made.
    package let header: WriteBackHeader

    /// Why a log cannot be read.
    package enum Fault: Error, Sendable {
        case flaw(WriteBackHeader.Flaw)
        case failure(IOFailure)
    }

    package init(_ device: any BlockDevice) throws(Fault) {
        var buffer = AlignedBuffer(count: WriteBackHeader.byteCount)
        let byteCount: Int
        do throws(IOFailure) {
            byteCount = try device.byteCount()
            var bytes = buffer.mutableBytes
            try device.read(into: &bytes, at: 0)
        } catch { throw .failure(error) }
        do throws(WriteBackHeader.Flaw) {
            header = try WriteBackHeader.decode(buffer.bytes)
        } catch { throw .flaw(error) }
        guard byteCount == header.fileBytes else { throw .flaw(.damaged("it was cut")) }
        self.device = device
    }

    /// The records of a generation in their order, up to the first that is not whole.
    ///
    /// - Parameter volumeBytes: the volume's size; what reaches beyond it is no record.
    package func records(
        _ generation: UInt64, volumeBytes: Int
    ) throws(IOFailure) -> [WriteBackRecord] {
        var records: [WriteBackRecord] = []
        var buffer = AlignedBuffer(
            count: WriteBackRecord.headingBytes + WriteBackRecord.payloadMaximum)
        var position = header.segmentStart(generation)
        let end = position + header.segmentBytes
        while position <= end - WriteBackRecord.headingBytes {
            let rest = end - position
            guard
                let heading = try heading(at: position, &buffer),
                heading.generation == generation, Int(heading.sequence) == records.count,
                WriteBackRecord.strideBytes(payload: heading.byteCount) <= rest,
                heading.offset <= volumeBytes, heading.byteCount <= volumeBytes - heading.offset
            else { break }
            let wholeBytes = WriteBackRecord.headingBytes + heading.byteCount
            var bytes = buffer.mutableBytes(in: 0..<wholeBytes)
            try device.read(into: &bytes, at: position)
            // Read again as a whole: the heading that is checked is the one that is used.
            guard WriteBackRecord.isWhole(buffer.bytes(in: 0..<wholeBytes)),
                WriteBackRecord.heading(buffer.bytes(in: 0..<wholeBytes)) == heading
            else { break }
            records.append(
                WriteBackRecord(
                    range: heading.offset..<heading.offset + heading.byteCount,
                    payloadOffset: position + WriteBackRecord.headingBytes))
            position += WriteBackRecord.strideBytes(payload: heading.byteCount)
        }
        return records
    }

    private func heading(
        at position: Int, _ buffer: inout AlignedBuffer
    ) throws(IOFailure) -> WriteBackRecord.Heading? {
        var bytes = buffer.mutableBytes(in: 0..<WriteBackRecord.headingBytes)
        try device.read(into: &bytes, at: position)
        return WriteBackRecord.heading(buffer.bytes(in: 0..<WriteBackRecord.headingBytes))
    }
}
