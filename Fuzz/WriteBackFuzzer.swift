// The log of first writes. Whatever the bytes are, it is refused or read; what its records say lies within
// the volume and within the log; and (one input in 32) a store with this log in it can be used.
//
// The first byte of an input chooses its form: the file as it is; or headings and payloads, of which right
// records behind a right header are made, cut and changed as the bytes say.
import FuzzSupport
import SnapshotModel
import StoreFormat
import System

let sample = try? SampleStore.make()

@_cdecl("LLVMFuzzerTestOneInput")
func fuzzWriteBack(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 2 else { return 0 }
    let input = [UInt8](UnsafeBufferPointer(start: start, count: count))
    let file = input[0] & 1 == 0 ? [UInt8](input[1...]) : log(input[1...])
    let device = MemoryDevice(path: "log", file)
    if let reader = try? WriteBackReader(device) { check(reader, fileBytes: file.count) }
    if SampleStore.isChosen(input) {
        sample?.replacing(StoreLayout.writeBackLog, by: file).exercise()
    }
    return 0
}

private func check(_ reader: WriteBackReader, fileBytes: Int) {
    for generation in reader.header.pending {
        let records = try? reader.records(generation, volumeBytes: SampleStore.volumeBytes)
        for record in records ?? [] {
            guard record.range.lowerBound >= 0, !record.range.isEmpty,
                record.range.upperBound <= SampleStore.volumeBytes,
                record.payloadOffset > 0, record.payloadOffset <= fileBytes - record.range.count
            else { fatalError("a record lies outside: \(record)") }
        }
    }
}

/// A log of the smallest size. Each six bytes make a record: two for its place, two for its length, one for
/// its generation and sequence, and one that damages it.
private func log(_ input: ArraySlice<UInt8>) -> [UInt8] {
    var bytes = Array(input)
    let header = WriteBackHeader(
        uuid: "00000000-0000-4000-8000-000000000001",
        segmentBytes: WriteBackHeader.segmentBounds.lowerBound,
        released: UInt64(bytes[0]),
        origin: OriginStamp(
            byteCount: SampleStore.volumeBytes, modifiedNanoseconds: 1, inode: 1),
        isWriting: bytes[0] & 1 == 1, notedNanoseconds: 1, boot: "")
    bytes.removeFirst()
    let device = MemoryDevice(path: "log", [UInt8](repeating: 0, count: header.fileBytes))
    try? header.write(to: device)
    var (position, sequence) = (header.segmentStart(header.pending.lowerBound), UInt32(0))
    while bytes.count >= 6, position < header.fileBytes {
        let count = max(1, (Int(bytes[2]) | Int(bytes[3]) << 8) & 0xFFF)
        let payload = [UInt8](repeating: bytes[5], count: count)
        var buffer = AlignedBuffer(count: WriteBackRecord.headingBytes + count)
        var record = buffer.mutableBytes
        WriteBackRecord.encode(
            payload.span.bytes, at: (Int(bytes[0]) | Int(bytes[1]) << 8) * 128,
            generation: header.released + 1 + UInt64(bytes[4] & 3), sequence: sequence,
            into: &record)
        if bytes[4] & 0xF0 == 0xF0 { record.store(littleEndian: bytes[5], at: Int(bytes[4] & 15)) }
        try? device.write(buffer.bytes, at: position)
        position += WriteBackRecord.strideBytes(payload: count)
        sequence += bytes[4] & 8 == 0 ? 1 : 0
        bytes.removeFirst(6)
    }
    return device.bytes
}
