package import Manager
package import SnapshotModel
internal import System

/// What lets a client of the network in: what is kept of it. The secret itself is kept nowhere.
package struct WebToken: Hashable, Sendable, Codable {
    /// Sixteen hexadecimal digits, which the secret has in it, too: by them it is found.
    package var id: String
    /// As people call it, and as events and holds name who has it.
    package var name: String
    package var roleWord: String
    /// SHA-256 of the secret, in hexadecimal digits.
    var digest: String
    package var createdAt: Timestamp
    /// Who made it.
    package var createdBy: String
    /// Nil for one that does not expire.
    package var expiresAt: Timestamp?

    private enum CodingKeys: String, CodingKey {
        case id
        case name
        case roleWord = "role"
        case digest
        case createdAt = "created_at"
        case createdBy = "created_by"
        case expiresAt = "expires_at"
    }

    /// Nil for a word of a newer version: then it may do nothing.
    package var role: WebRole? { WebRole(word: roleWord) }

    /// One that ends has ended, too, when it would be made days from now: the clock was set back since, and how long it
    /// had is not known.
    package func hasExpired(at now: Timestamp) -> Bool {
        guard let expiresAt else { return false }
        return expiresAt <= now || now.advanced(bySeconds: Self.aheadSeconds) < createdAt
    }

    private static let aheadSeconds: Int64 = 86_400
}

/// The words by which a client shows that he has a token: `snapmgr_`, its ID, and 256 bits that nobody can guess.
struct TokenSecret: Sendable {
    let text: String
    let id: String

    private static let prefix = "snapmgr_"
    private static let idDigits = 16
    private static let secretWords = 4

    /// A new one, of the kernel's random numbers.
    init() {
        id = Self.random(words: 1)
        text = Self.prefix + id + "_" + Self.random(words: Self.secretWords)
    }

    /// Sixteen digits for each word.
    static func random(words: Int) -> String {
        (0..<words).map { _ in UInt64.random(in: .min ... .max).padded(to: 16, radix: 16) }.joined()
    }

    /// Nil for what no secret looks like.
    init?(_ text: String) {
        let parts = text.dropFirst(Self.prefix.utf8.count).split(
            separator: "_", omittingEmptySubsequences: false)
        guard text.hasPrefix(Self.prefix), parts.count == 2,
            parts[0].utf8.count == Self.idDigits,
            parts[1].utf8.count == Self.idDigits.multipliedClamped(by: Self.secretWords),
            parts.allSatisfy({ $0.utf8.allSatisfy(Self.isDigit) })
        else { return nil }
        self.text = text
        id = String(parts[0])
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte)
    }

    /// What is kept of it. One SHA-256 is enough: who has the sum would have to try 2^256 secrets, and a slow function
    /// would only be work that any stranger could have the daemon do.
    var digest: String? { SecretSum.digits(of: text) }

    /// Whether it is the token's, found out in a time that does not depend on how much of it is right.
    func isSecret(of token: WebToken) -> Bool {
        guard let digest else { return false }
        return SecretSum.isSame(digest, token.digest)
    }
}

/// Sums of secrets, by which they are known again.
enum SecretSum {
    /// SHA-256 in hexadecimal digits; nil without memory.
    static func digits(of text: String) -> String? {
        let bytes = Array(text.utf8)
        return bytes.span.bytes.sha256.map { sum in
            sum.map { UInt32($0).padded(to: 2, radix: 16) }.joined()
        }
    }

    /// Looks at all of both, wherever they differ.
    static func isSame(_ left: String, _ right: String) -> Bool {
        let (left, right) = (Array(left.utf8), Array(right.utf8))
        guard left.count == right.count else { return false }
        return zip(left, right).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }
}

/// A token as it is listed.
package struct WebTokenSummary: Hashable, Sendable {
    package var token: WebToken
    /// Nil when it has not been, or so long ago that nobody knows. Told to the minute.
    package var lastUsedAt: Timestamp?
    package var hasExpired: Bool
}

extension WebTokenSummary: JSONConvertible {
    package var json: JSONValue {
        [
            "id": JSONValue(token.id), "name": JSONValue(token.name),
            "role": JSONValue(token.roleWord), "created_at": JSONValue(token.createdAt),
            "created_by": JSONValue(token.createdBy), "expires_at": JSONValue(token.expiresAt),
            "last_used_at": JSONValue(lastUsedAt), "expired": JSONValue(hasExpired),
        ]
    }
}
