package import SnapshotModel

/// The SHA-256 of stretches of content, by which two sites compare what they have without sending it.
package enum ContentDigest {
    /// The bytes of one.
    package static let byteCount = 32

    /// - Throws: `failed` when there is no memory for it.
    package static func of(_ bytes: RawSpan) throws(Problem) -> [UInt8] {
        let digest = try StreamDigest()
        try digest.update(bytes)
        return try digest.value()
    }
}
