internal import SnapshotModel
internal import System

/// The fields of a record: tag, flags, length, and so many bytes.
struct StreamFieldWriter {
    private(set) var bytes: [UInt8] = []

    mutating func add(_ tag: UInt16, _ value: some Collection<UInt8>) {
        append(tag)
        append(UInt16(0))
        append(UInt32(clamping: value.count))
        bytes += value
    }

    mutating func add(_ tag: UInt16, _ text: String?) {
        if let text { add(tag, Array(text.utf8)) }
    }

    mutating func add(_ tag: UInt16, _ number: UInt64) { add(tag, Self.bytes(of: number)) }

    mutating func add(_ tag: UInt16, _ time: Timestamp) {
        add(
            tag,
            Self.bytes(of: UInt64(bitPattern: time.secondsSinceEpoch))
                + Self.bytes(of: UInt32(clamping: time.fraction)))
    }

    private mutating func append(_ number: some FixedWidthInteger) {
        bytes += Self.bytes(of: number)
    }

    private static func bytes(of number: some FixedWidthInteger) -> [UInt8] {
        (0..<number.bitWidth / 8).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
    }
}

/// Reads them back. What a reader does not know is passed over when it may be.
struct StreamFieldReader {
    private let bytes: ArraySlice<UInt8>
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes[...] }

    private static let headingBytes = 8

    /// Calls with the tag and bytes of each field, in their order.
    ///
    /// - Parameter body: false when it does not know the tag.
    mutating func forEach(
        _ body: (UInt16, StreamFieldValue) throws(Problem) -> Bool
    ) throws(Problem) {
        while position < bytes.count {
            guard bytes.count - position >= Self.headingBytes else {
                throw .damagedStream("a field is cut")
            }
            let tag = UInt16(truncatingIfNeeded: number(at: position, bytes: 2))
            let flags = UInt32(truncatingIfNeeded: number(at: position + 2, bytes: 2))
            let count = number(at: position + 4, bytes: 4)
            position += Self.headingBytes
            guard count <= UInt64(bytes.count - position) else {
                throw .damagedStream("a field is longer than its record")
            }
            let end = position + Int(count)
            let value = StreamFieldValue(bytes: bytes[position..<end])
            position = end
            let isKnown = try body(tag, value)
            guard isKnown || flags & StreamFormat.skippable != 0 else {
                throw .newerStream("has a field \(tag)")
            }
        }
    }

    private func number(at offset: Int, bytes count: Int) -> UInt64 {
        StreamFieldValue(bytes: bytes[offset..<offset + count]).littleEndian
    }
}

/// A field's bytes.
struct StreamFieldValue {
    let bytes: ArraySlice<UInt8>

    /// The number that at most eight bytes are.
    var littleEndian: UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }

    func number() throws(Problem) -> UInt64 {
        guard bytes.count == 8 else { throw .damagedStream("a number has \(bytes.count) bytes") }
        return littleEndian
    }

    func bounded<Number: BoundedNumber>(_ type: Number.Type) throws(Problem) -> Number {
        guard let raw = Number.RawValue(exactly: try number()), let number = Number(checking: raw)
        else { throw .damagedStream("a number is out of bounds") }
        return number
    }

    func text(bytesMaximum: Int) throws(Problem) -> String {
        guard bytes.count <= bytesMaximum, !bytes.contains(0),
            let text = String(validating: bytes, as: UTF8.self)
        else { throw .damagedStream("a text is too long, or is none") }
        return text
    }

    func word<Word: RawRepresentable<String>>(_ type: Word.Type) throws(Problem) -> Word {
        let text = try text(bytesMaximum: 64)
        guard let word = Word(rawValue: text) else {
            throw .newerStream("says “\(text.escapedForPeople)” of a snapshot")
        }
        return word
    }

    func time() throws(Problem) -> Timestamp {
        guard bytes.count == 12 else { throw .damagedStream("a time has \(bytes.count) bytes") }
        let seconds = StreamFieldValue(bytes: bytes.prefix(8)).littleEndian
        let nanoseconds = StreamFieldValue(bytes: bytes.suffix(4)).littleEndian
        guard nanoseconds < 1_000_000_000,
            let time = Timestamp(
                seconds: Int64(bitPattern: seconds), nanoseconds: Int64(nanoseconds)),
            Timestamp.recordable.contains(time)
        else { throw .damagedStream("a time is out of bounds") }
        return time
    }

    func uuid() throws(Problem) -> String {
        let text = try text(bytesMaximum: 64)
        guard TextBounds.isUUID(text) else { throw .damagedStream("a UUID is none") }
        return text
    }
}
