/// One operation of a record, as CDiskRecorder.h describes its bytes.
struct RecordedOperation {
    /// Numbered as there.
    enum Kind: UInt64 {
        case create = 1
        case write
        case resize
        case zero
        case sync
        case rename
        case link
        case unlink
        case makeFolder
        case removeFolder
    }

    var kind: Kind
    var path: String
    var secondPath: String
    var offset: Int
    var length: Int
    var data: ArraySlice<UInt8>
}

/// The record of a process, in the order in which things happened.
struct DiskRecord {
    private(set) var operations: [RecordedOperation] = []

    private static let headBytes = 32

    init(_ bytes: [UInt8]) throws {
        var position = 0
        while position < bytes.count {
            guard bytes.count - position >= Self.headBytes else { throw TornRecord() }
            let head = bytes[position..<position + Self.headBytes]
            let counts = (0..<4).map { Int(Self.number(head, $0 * 4, 4)) }
            position += Self.headBytes
            guard bytes.count - position >= counts[1] + counts[2] + counts[3],
                let kind = RecordedOperation.Kind(rawValue: UInt64(counts[0]))
            else { throw TornRecord() }
            let path = bytes[position..<position + counts[1]]
            position += counts[1]
            let second = bytes[position..<position + counts[2]]
            position += counts[2]
            operations.append(
                RecordedOperation(
                    kind: kind, path: String(decoding: path, as: UTF8.self),
                    secondPath: String(decoding: second, as: UTF8.self),
                    offset: Int(Self.number(head, 16, 8)), length: Int(Self.number(head, 24, 8)),
                    data: bytes[position..<position + counts[3]]))
            position += counts[3]
        }
    }

    private static func number(_ bytes: ArraySlice<UInt8>, _ offset: Int, _ count: Int) -> UInt64 {
        (0..<count).reduce(0) { $0 | UInt64(bytes[bytes.startIndex + offset + $1]) << (8 * $1) }
    }
}

/// The process that wrote the record did something that cannot be replayed, or died in mid-entry.
struct TornRecord: Error {}
