internal import FoundationEssentials
package import SnapshotModel
internal import System

/// What shows a receiver who has posted, and what he has already: the fields of Standard Webhooks
/// (standardwebhooks.com), for which there are libraries in many languages.
package enum PostSignature {
    /// - Parameters:
    ///   - id: the same whenever one thing is posted, and no other thing's.
    ///   - now: against which the receiver holds his clock: an old one may be somebody's who posts it again.
    /// - Throws: `failed` when there is no memory for a sum.
    package static func fields(
        id: String, of body: [UInt8], by secret: [UInt8], at now: Timestamp
    ) throws(Problem) -> [(name: String, value: String)] {
        let time = String(now.secondsSinceEpoch)
        let signed = Array("\(id).\(time).".utf8) + body
        guard let sum = signed.span.bytes.hmac(key: secret) else {
            throw Problem(.failed, "a message cannot be signed: no memory")
        }
        return [
            ("webhook-id", id), ("webhook-timestamp", time),
            ("webhook-signature", "v1," + Data(sum).base64EncodedString()),
        ]
    }
}

/// What signs posts: a file's bytes without the line's end, or what `whsec_` and Base64 stand for.
package enum PostSecret {
    private static let byteMaximum = 4_096
    private static let shortestBytes = 16
    private static let prefix = "whsec_"

    /// - Throws: `missing`, `refused` when others may read it or it is too short to be one.
    package static func read(_ path: String) throws(Problem) -> [UInt8] {
        let bytes = try SecretFile.read("the secret", at: path, limitBytes: byteMaximum)
        guard let secret = secret(bytes), secret.count >= shortestBytes else {
            throw Problem(
                .refused, "\(path) holds no secret of \(shortestBytes) bytes or more",
                hint: "make one: "
                    + "`(umask 77; { printf whsec_; head -c 32 /dev/urandom | base64; } >\(path))`")
        }
        return secret
    }

    private static func secret(_ bytes: [UInt8]) -> [UInt8]? {
        var bytes = bytes[...]
        while let last = bytes.last, [0x0A, 0x0D, 0x20, 0x09].contains(last) { bytes.removeLast() }
        guard bytes.starts(with: prefix.utf8) else { return Array(bytes) }
        let text = String(decoding: bytes.dropFirst(prefix.utf8.count), as: UTF8.self)
        return Data(base64Encoded: text).map { Array($0) }
    }
}
