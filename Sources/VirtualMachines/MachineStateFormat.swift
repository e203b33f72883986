internal import SnapshotModel

/// The file of a VM's memory and devices: a heading, pieces of what QEMU wrote, each compressed for itself, and an end
/// with the sum of everything before it. docs/on-disk.md has it byte by byte. All numbers are little-endian.
package enum MachineStateFormat {
    static let magic = [UInt8]("snapvmst".utf8)
    static let version: UInt32 = 1
    /// Magic, version, and the size of a whole piece.
    static let headingBytes = 16
    /// What a piece holds, but for the last one.
    static let pieceBytes = 1 << 20
    /// Before each piece: how many bytes it takes in the file, and how many it becomes.
    static let pieceHeadingBytes = 8
    /// The length of all pieces together, and a SHA-256.
    static let endBytes = 8 + 32
    /// The level of zstd: memory must go out faster than a disk takes it.
    static let compressionLevel = 1

    /// The little-endian bytes of a number.
    static func bytes(of number: some FixedWidthInteger) -> [UInt8] {
        (0..<number.bitWidth / 8).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
    }

    /// A number of its little-endian bytes.
    static func number<Number: FixedWidthInteger & UnsignedInteger>(
        _ bytes: ArraySlice<UInt8>
    ) -> Number {
        bytes.reversed().reduce(0) { $0 << 8 | Number($1) }
    }

    /// - Parameter path: of the file.
    static func damaged(_ path: String, _ cause: String) -> Problem {
        Problem(
            .corrupt, "the VM state \(path) is damaged: \(cause)",
            hint: "revert to a set without state, or to another one; see \(.list())")
    }
}
