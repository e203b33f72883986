import System
import Glibc

/// Compares devices byte by byte.
enum DeviceCompare {
    private static let pieceBytes = 256 << 10

    /// Ends the case unless two devices hold the same; the sizes must be the same, too.
    static func expectSame(
        _ first: String, _ second: String, fileID: StaticString = #fileID, line: Int = #line
    ) throws {
        let left = try DirectDevice(path: first, isReadOnly: true)
        let right = try DirectDevice(path: second, isReadOnly: true)
        let count = try left.byteCount()
        try expectEqual(
            try right.byteCount(), count, "size of \(second), next to \(first)", fileID: fileID,
            line: line)
        for offset in stride(from: 0, to: count, by: pieceBytes) {
            let length = min(count - offset, pieceBytes)
            var one = AlignedBuffer(count: length)
            var other = AlignedBuffer(count: length)
            try left.read(into: &one, at: offset)
            try right.read(into: &other, at: offset)
            try expect(
                areSame(one.bytes, other.bytes),
                "\(first) and \(second) differ within \(length) bytes from \(offset) on",
                fileID: fileID, line: line)
        }
    }

    private static func areSame(_ one: RawSpan, _ other: RawSpan) -> Bool {
        one.withUnsafeBytes { first in
            other.withUnsafeBytes { second in
                guard let left = first.baseAddress, let right = second.baseAddress else {
                    return false
                }
                return memcmp(left, right, first.count) == 0
            }
        }
    }
}
