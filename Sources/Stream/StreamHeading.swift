internal import SnapshotModel
internal import System

/// The 32 bytes before a record's payload.
struct StreamHeading: Hashable {
    /// Four bytes, as they stand.
    var tag: UInt32
    var flags: UInt32
    var payloadBytes: Int
    /// Where a frame belongs in the volume, in bytes; 0 for other records.
    var offset: UInt64
    /// How long its content is there, in bytes.
    var length: UInt64

    private static let sumOffset = 12

    /// The heading's bytes, with the checksum of itself and of the payload.
    func encoded(payload: RawSpan) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: StreamFormat.headingBytes)
        store(sum: 0, into: &bytes)
        store(sum: Self.sum(bytes.span.bytes, payload), into: &bytes)
        return bytes
    }

    private func store(sum: UInt32, into bytes: inout [UInt8]) {
        var elements = bytes.mutableSpan
        var span = elements.mutableBytes
        span.store(littleEndian: tag, at: 0)
        span.store(littleEndian: flags, at: 4)
        span.store(littleEndian: UInt32(clamping: payloadBytes), at: 8)
        span.store(littleEndian: sum, at: Self.sumOffset)
        span.store(littleEndian: offset, at: 16)
        span.store(littleEndian: length, at: 24)
    }

    private static func sum(_ heading: RawSpan, _ payload: RawSpan) -> UInt32 {
        payload.crc32c(after: heading.crc32c())
    }

    /// - Throws: `corrupt` when the payload is longer than any can be: nothing is taken for it then.
    init(_ bytes: RawSpan) throws(Problem) {
        tag = bytes.littleEndian(at: 0)
        flags = bytes.littleEndian(at: 4)
        let count: UInt32 = bytes.littleEndian(at: 8)
        guard count <= StreamFormat.payloadBytesMaximum else {
            throw .damagedStream("a record says that it has \(count) bytes")
        }
        payloadBytes = Int(count)
        offset = bytes.littleEndian(at: 16)
        length = bytes.littleEndian(at: 24)
    }

    init(
        _ tag: StreamFormat.Tag, flags: UInt32 = 0, payloadBytes: Int, range: Range<Int> = 0..<0
    ) {
        self.tag = Self.number(tag)
        self.flags = flags
        self.payloadBytes = payloadBytes
        offset = UInt64(clamping: range.lowerBound)
        length = UInt64(clamping: range.count)
    }

    /// - Throws: `corrupt` when heading and payload are not what was written.
    static func check(_ heading: [UInt8], _ payload: RawSpan) throws(Problem) {
        let found: UInt32 = heading.span.bytes.littleEndian(at: sumOffset)
        var blanked = heading
        for index in sumOffset..<sumOffset + 4 { blanked[index] = 0 }
        guard found == sum(blanked.span.bytes, payload) else {
            throw .damagedStream("a record has not the checksum that it says")
        }
    }

    var knownTag: StreamFormat.Tag? { StreamFormat.Tag.allCases.first { Self.number($0) == tag } }
    var isSkippable: Bool { flags & StreamFormat.skippable != 0 }

    private static func number(_ tag: StreamFormat.Tag) -> UInt32 {
        tag.rawValue.utf8.reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }
}

extension Problem {
    /// The stream is not what a sender wrote.
    static func damagedStream(_ cause: String) -> Problem {
        Problem(
            .corrupt, "the stream is damaged: \(cause)",
            hint: "send it again; snapshots that it had whole before are there")
    }

    /// The stream ends before its end.
    static func cutStream(_ place: String) -> Problem {
        Problem(
            .corrupt, "the stream was cut \(place)",
            hint: "see why the sender ended, and send it again; snapshots that it had whole are "
                + "there")
    }

    /// The stream was written by a later version.
    static func newerStream(_ what: String) -> Problem {
        Problem(
            .newerVersion, "the stream \(what), which this snapmgr does not know",
            hint: "receive it with a snapmgr as new as the one that sent it")
    }
}
