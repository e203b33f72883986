import SnapshotModel
import Testing

@testable import Stream

/// A stream in memory, given in pieces as a pipe gives it.
final class StreamPipe: StreamSink, StreamSource {
    var bytes: [UInt8]
    private var position = 0
    private let pieceBytes: Int

    init(_ bytes: [UInt8] = [], pieceBytes: Int = .max) {
        self.bytes = bytes
        self.pieceBytes = pieceBytes
    }

    func write(_ bytes: RawSpan) throws(Problem) {
        bytes.withUnsafeBytes { self.bytes += $0 }
    }

    func read(into buffer: inout MutableRawSpan) throws(Problem) -> Int {
        let count = min(buffer.byteCount, bytes.count - position, pieceBytes)
        let start = position
        buffer.withUnsafeMutableBytes { $0.copyBytes(from: bytes[start..<start + count]) }
        position += count
        return count
    }
}

/// What a stream says, as values that can be compared.
enum StreamWord: Hashable {
    case snapshot(StreamSnapshot)
    case data([UInt8], Int)
    case zeroes(Range<Int>, Bool)
    case take
}

enum Streams {
    static let volume = StreamVolume(
        uuid: "0b6ab2c4-2f1c-4c57-8d27-6f3f0b1c2d3e", name: "data", chunkBytes: 4096)

    static func snapshot(
        _ number: Int, volumeBytes: Int, isWhole: Bool, labels: SnapshotLabels = SnapshotLabels()
    ) -> StreamSnapshot {
        StreamSnapshot(
            uuid: uuid(number), ordinal: SnapshotOrdinal(rawValue: number),
            id: SnapshotID(rawValue: Int64(number)), takenAt: time(number),
            volumeBytes: volumeBytes, kind: .manual, consistency: .crash, labels: labels,
            base: isWhole
                ? nil
                : StreamBase(
                    uuid: uuid(number - 1), ordinal: SnapshotOrdinal(rawValue: number - 1),
                    takenAt: time(number - 1)))
    }

    private static func uuid(_ number: Int) -> String {
        "00000000-0000-8000-8000-" + number.padded(to: 12)
    }

    private static func time(_ number: Int) -> Timestamp {
        Timestamp(clampingSeconds: 1_795_348_800 + Int64(number), nanoseconds: 123_456_789)
    }

    /// The bytes of a stream that says this.
    static func bytes(
        _ words: [StreamWord], compression: StreamCompression = .none, resumes: Bool = false
    ) throws -> [UInt8] {
        let pipe = StreamPipe()
        let writer = try StreamWriter(
            to: pipe, of: volume, compression: compression, resumes: resumes)
        for word in words {
            switch word {
            case .snapshot(let snapshot): try writer.begin(snapshot)
            case .data(let bytes, let offset): try writer.data(bytes.span.bytes, at: offset)
            case .zeroes(let range, let isHole): try writer.zeroes(range, isHole: isHole)
            case .take: try writer.take()
            }
        }
        try writer.finish()
        #expect(writer.byteCount == pipe.bytes.count)
        return pipe.bytes
    }

    /// What a stream says, up to its end or to what is wrong with it.
    static func words(
        _ bytes: [UInt8], pieceBytes: Int = .max
    ) -> (words: [StreamWord], problem: Problem?) {
        var words: [StreamWord] = []
        do throws(Problem) {
            let reader = try StreamReader(from: StreamPipe(bytes, pieceBytes: pieceBytes))
            while true {
                switch try reader.next() {
                case .snapshot(let snapshot): words.append(.snapshot(snapshot))
                case .data(let bytes, let offset): words.append(.data(bytes, offset))
                case .zeroes(let range, let isHole): words.append(.zeroes(range, isHole))
                case .take: words.append(.take)
                case .done: return (words, nil)
                }
            }
        } catch { return (words, error) }
    }

    /// A record as a stranger might write it: with the right checksum, whatever it says.
    static func record(
        _ tag: String, flags: UInt32 = 0, _ payload: [UInt8] = [], at range: Range<Int> = 0..<0
    ) -> [UInt8] {
        var heading = StreamHeading(
            .data, flags: flags, payloadBytes: payload.count, range: range)
        heading.tag = tag.utf8.reversed().reduce(0) { $0 << 8 | UInt32($1) }
        return heading.encoded(payload: payload.span.bytes) + payload
    }
}
