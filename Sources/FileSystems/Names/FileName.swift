internal import SnapshotModel

/// A name in a folder: bytes, which need not be text.
package struct FileName: Hashable, Sendable, Comparable {
    package var bytes: [UInt8]

    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    package init(_ text: some StringProtocol) { bytes = Array(text.utf8) }

    /// Whether a folder can have it: filesystems that are damaged, or made to harm, hold others.
    package var isUsable: Bool {
        !bytes.isEmpty && bytes.count <= 255 && !isDots
            && !bytes.contains { $0 == 0 || $0 == UInt8(ascii: "/") }
    }

    /// `.` or `..`.
    var isDots: Bool { bytes == [0x2E] || bytes == [0x2E, 0x2E] }

    /// Whether ``text`` is what the bytes are.
    package var isText: Bool {
        String(validating: bytes, as: UTF8.self) != nil
            && !bytes.contains { $0 == 0 || $0 == UInt8(ascii: "/") }
    }

    /// The name as text; bytes that are none are written as `\xFF`.
    package var text: String {
        if isText { return String(decoding: bytes, as: UTF8.self) }
        return bytes.map { byte in
            let isShown = (0x20..<0x7F).contains(byte) && byte != UInt8(ascii: "/")
            return isShown
                ? String(UnicodeScalar(byte))
                : "\\x" + Int(byte).padded(to: 2, radix: 16)
        }.joined()
    }

    package static func < (left: FileName, right: FileName) -> Bool {
        left.bytes.lexicographicallyPrecedes(right.bytes)
    }
}
