package import SnapshotModel

/// The names of a folder in little memory, for as long as somebody goes through them: in no order, without `.`
/// and `..`.
package struct PackedNames {
    /// Of each its number, its length and its bytes.
    private var bytes: [UInt8] = []
    /// Where each begins.
    private var starts: [UInt32] = []

    /// What one takes besides its bytes.
    private static let headBytes = 6

    package init() {}

    package var count: Int { starts.count }

    /// What all take, in bytes.
    package var byteCount: Int { bytes.capacity + starts.capacity * MemoryLayout<UInt32>.stride }

    /// - Throws: `no_space` when they would take more than `limitBytes`.
    package mutating func append(
        _ name: FileName, _ number: UInt32, limitBytes: Int
    ) throws(Problem) {
        guard let start = UInt32(exactly: bytes.count),
            let length = UInt16(exactly: name.bytes.count),
            bytes.count + starts.count * MemoryLayout<UInt32>.stride < limitBytes
        else { throw Problem(.noSpace, "a folder has more names than there is memory for") }
        starts.append(start)
        for shift in stride(from: UInt32(0), to: 32, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: number >> shift))
        }
        bytes.append(UInt8(truncatingIfNeeded: length))
        bytes.append(UInt8(truncatingIfNeeded: length >> 8))
        bytes += name.bytes
    }

    /// - Parameter index: below ``count``.
    package subscript(index: Int) -> (number: UInt32, name: FileName) {
        let start = Int(starts[index])
        let number = (0..<4).reduce(UInt32(0)) {
            $0 | UInt32(bytes[start + $1]) << (8 * UInt32($1))
        }
        let first = start + Self.headBytes
        let length = Int(bytes[start + 4]) | Int(bytes[start + 5]) << 8
        return (number, FileName(Array(bytes[first..<first + length])))
    }
}
