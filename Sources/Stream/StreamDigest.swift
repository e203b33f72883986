internal import CStream
package import SnapshotModel

/// The SHA-256 of the bytes of a stream, as they pass.
package final class StreamDigest {
    private let handle: OpaquePointer

    /// - Throws: `failed` when there is no memory for it.
    package init() throws(Problem) {
        guard let handle = snapmgr_digest_create() else {
            throw Problem(
                .failed, "a SHA-256 cannot be computed here",
                hint: "check the free memory, and the installation of OpenSSL's libcrypto")
        }
        self.handle = handle
    }

    deinit { snapmgr_digest_destroy(handle) }

    package static let byteCount = Int(SNAPMGR_DIGEST_BYTES)

    package func update(_ bytes: RawSpan) throws(Problem) {
        let isDone = bytes.withUnsafeBytes {
            snapmgr_digest_update(handle, $0.baseAddress, $0.count)
        }
        guard isDone != 0 else { throw Self.failure }
    }

    /// The digest of all bytes so far; more may follow.
    package func value() throws(Problem) -> [UInt8] {
        var value = [UInt8](repeating: 0, count: Self.byteCount)
        guard snapmgr_digest_value(handle, &value) != 0 else { throw Self.failure }
        return value
    }

    private static var failure: Problem {
        Problem(.failed, "the SHA-256 of a stream could not be computed")
    }
}

/// What stands for a text where only its identity counts: the beginning of its SHA-256, as a UUID of version 8.
enum DigestUUID {
    static func make(of text: String) throws(Problem) -> String {
        let digest = try StreamDigest()
        let bytes = [UInt8](text.utf8)
        try digest.update(bytes.span.bytes)
        var value = Array(try digest.value().prefix(16))
        value[6] = value[6] & 0x0F | 0x80
        value[8] = value[8] & 0x3F | 0x80
        let digits = value.map { $0.padded(to: 2, radix: 16) }.joined()
        var (parts, rest) = ([String](), digits[...])
        for count in [8, 4, 4, 4, 12] {
            parts.append(String(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        return parts.joined(separator: "-")
    }
}
