// Streams of snapshots. Whatever the bytes are, they are refused or read; what is read lies within the volume, in
// order, and is no longer than a frame can be; and a stream that was read to its end is written again as the same.
//
// The first byte of an input chooses its form: the stream as it is; or records behind a right beginning, with right
// checksums, of which each six bytes make a heading, and the payload is made.
import SnapshotModel
import System

/// A stream in memory.
final class FuzzPipe: StreamSink, StreamSource {
    var bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    func write(_ bytes: RawSpan) throws(Problem) {
        bytes.withUnsafeBytes { self.bytes += $0 }
    }

    func read(into buffer: inout MutableRawSpan) throws(Problem) -> Int {
        let count = min(buffer.byteCount, bytes.count - position)
        let start = position
        buffer.withUnsafeMutableBytes { $0.copyBytes(from: bytes[start..<start + count]) }
        position += count
        return count
    }
}

@_cdecl("LLVMFuzzerTestOneInput")
func fuzzStream(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 2 else { return 0 }
    let input = [UInt8](UnsafeBufferPointer(start: start, count: count))
    let stream = input[0] & 1 == 0 ? [UInt8](input[1...]) : records(input[1...])
    _ = try? check(stream)
    return 0
}

private func check(_ stream: [UInt8]) throws {
    let reader = try StreamReader(from: FuzzPipe(stream))
    let pipe = FuzzPipe([])
    let writer = try StreamWriter(to: pipe, of: reader.volume, compression: .none)
    var (volumeBytes, end, isDone) = (0, 0, false)
    func take(_ range: Range<Int>) {
        guard range.lowerBound >= end, !range.isEmpty, range.upperBound <= volumeBytes else {
            fatalError("a frame lies at \(range)")
        }
        end = range.upperBound
    }
    while !isDone {
        switch try reader.next() {
        case .snapshot(let snapshot):
            (volumeBytes, end) = (snapshot.volumeBytes, 0)
            let again = try StreamSnapshot(fields: snapshot.encoded)
            guard again == snapshot else { fatalError("a snapshot is written as another one") }
            try writer.begin(snapshot)
        case .data(let bytes, let offset):
            guard bytes.count <= StreamFormat.frameBytesMaximum else { fatalError("too long") }
            take(offset..<offset + bytes.count)
            try writer.data(bytes.span.bytes, at: offset)
        case .zeroes(let range, let isHole):
            take(range)
            try writer.zeroes(range, isHole: isHole)
        case .take: try writer.take()
        case .done: isDone = true
        }
    }
    try writer.finish()
}

private let tags = ["VOLU", "SNAP", "DATA", "ZERO", "HOLE", "TAKE", "DONE", "NEWS"]

/// What follows a right beginning: six bytes for a record's kind, flags, place, length, and what its payload is.
private func records(_ input: ArraySlice<UInt8>) -> [UInt8] {
    let volume = StreamVolume(
        uuid: "00000000-0000-4000-8000-000000000001", name: "data", chunkBytes: 4096)
    let snapshot = StreamSnapshot(
        uuid: "00000000-0000-4000-8000-000000000002", ordinal: SnapshotOrdinal(rawValue: 2),
        id: SnapshotID(rawValue: 2), takenAt: Timestamp(clampingSeconds: 1), volumeBytes: 1 << 20,
        kind: .manual, consistency: .crash, labels: SnapshotLabels(),
        base: input.first == 0
            ? nil
            : StreamBase(
                uuid: "00000000-0000-4000-8000-000000000003", ordinal: SnapshotOrdinal(rawValue: 1),
                takenAt: Timestamp(clampingSeconds: 1)))
    var stream = StreamPreamble.encoded(version: 2)
    func add(_ tag: String, _ flags: UInt32, _ payload: [UInt8], _ range: Range<Int>) {
        var heading = StreamHeading(.data, flags: flags, payloadBytes: payload.count, range: range)
        heading.tag = tag.utf8.reversed().reduce(0) { $0 << 8 | UInt32($1) }
        stream += heading.encoded(payload: payload.span.bytes) + payload
    }
    add("VOLU", 0, volume.encoded, 0..<0)
    add("SNAP", 0, snapshot.encoded, 0..<0)
    var bytes = Array(input.dropFirst())
    while bytes.count >= 6 {
        let offset = Int(bytes[2]) * 4096, length = Int(bytes[3]) * 512
        let tag = tags[Int(bytes[0]) % tags.count]
        let payload: [UInt8] =
            switch bytes[4] & 3 {
            case 0: []
            case 1: [UInt8](repeating: bytes[5], count: length)
            case 2: Array(bytes.dropFirst(6))
            default: tag == "SNAP" ? snapshot.encoded : Array(bytes.dropFirst(6).prefix(64))
            }
        add(tag, UInt32(bytes[1] & 7), payload, offset..<offset + length)
        bytes.removeFirst(6)
    }
    return stream
}
