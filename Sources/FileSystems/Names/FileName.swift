internal import SnapshotModel

/// A name in a folder: bytes, which need not be text.
package struct FileName: Hashable, Sendable, Comparable {
    package var bytes: [UInt8]

    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    package init(_ text: some StringProtocol) { bytes = Array(text.utf8) }

    /// Whether a folder of some filesystem can have it: those that are damaged, or made to harm, hold others.
    package var isPossible: Bool {
        !bytes.isEmpty && bytes.count <= Self.bytesMaximum && !isDots
            && !bytes.contains { $0 == 0 || $0 == UInt8(ascii: "/") }
    }

    /// Whether those that count bytes can have it: exFAT and NTFS count 255 characters, of three bytes each at most.
    package var isUsable: Bool { isPossible && bytes.count <= 255 }

    /// As FUSE has it; no filesystem has longer ones.
    private static let bytesMaximum = 1024

    /// `.` or `..`.
    var isDots: Bool { bytes == [0x2E] || bytes == [0x2E, 0x2E] }

    /// Whether ``text`` is what the bytes are.
    package var isText: Bool {
        String(validating: bytes, as: UTF8.self) != nil
            && !bytes.contains { $0 == 0 || $0 == UInt8(ascii: "/") }
    }

    /// The name as text; bytes that are none are written as `\xFF`, of a name that has such.
    package var text: String {
        if isText { return String(decoding: bytes, as: UTF8.self) }
        return bytes.map { byte in
            let isShown =
                (0x20..<0x7F).contains(byte) && byte != UInt8(ascii: "/") && byte != Self.backslash
            return isShown
                ? String(UnicodeScalar(byte))
                : "\\x" + Int(byte).padded(to: 2, radix: 16)
        }.joined()
    }

    private static let backslash = UInt8(ascii: "\\")

    /// The name that is no text and whose ``text`` this one is; nil when there is none.
    var unescaped: FileName? {
        guard bytes.contains(Self.backslash) else { return nil }
        var (decoded, rest) = ([UInt8](), bytes[...])
        while let byte = rest.popFirst() {
            guard byte == Self.backslash, rest.first == UInt8(ascii: "x"), rest.count >= 3 else {
                decoded.append(byte)
                continue
            }
            let digits = String(decoding: rest.dropFirst().prefix(2), as: UTF8.self)
            guard let value = UInt8(digits, radix: 16) else { return nil }
            decoded.append(value)
            rest = rest.dropFirst(3)
        }
        let name = FileName(decoded)
        return !name.isText && Array(name.text.utf8) == bytes ? name : nil
    }

    package static func < (left: FileName, right: FileName) -> Bool {
        left.bytes.lexicographicallyPrecedes(right.bytes)
    }
}
