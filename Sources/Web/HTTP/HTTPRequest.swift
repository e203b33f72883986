internal import SnapshotModel

/// A request's head, as RFC 9112 has it. What could be understood in two ways is refused.
struct HTTPRequest: Hashable, Sendable {
    var method: String
    /// The path with its query, as it was sent.
    var target: String
    /// Names in small letters. Values of a name that comes again are joined by commas.
    private(set) var fields: [String: String] = [:]
    private var isOld = false

    /// So many fields a head has at most.
    private static let fieldsMaximum = 100
    private static let methodBytesMaximum = 16

    /// - Parameter head: without the empty line at its end.
    /// - Throws: a failure for what is no head.
    init(_ head: ArraySlice<UInt8>) throws(WebFailure) {
        guard let text = String(validating: head, as: UTF8.self) else { throw Self.malformed }
        var lines = text.utf8.split(
            separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false
        ).map { Substring($0) }
        for index in lines.indices.dropLast() {
            guard lines[index].utf8.last == UInt8(ascii: "\r") else { throw Self.malformed }
            lines[index] = Substring(lines[index].utf8.dropLast())
        }
        let words = lines[0].split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 3, words[1].hasPrefix("/"),
            words[0].utf8.allSatisfy({ (0x41...0x5a).contains($0) }),
            (1...Self.methodBytesMaximum).contains(words[0].utf8.count),
            words[1].utf8.allSatisfy({ (0x21...0x7e).contains($0) })
        else { throw Self.malformed }
        guard ["HTTP/1.1", "HTTP/1.0"].contains(words[2]) else {
            throw .refusal(505, "usage", "HTTP/1.1 is spoken here")
        }
        (method, target) = (String(words[0]), String(words[1]))
        isOld = words[2] == "HTTP/1.0"
        guard lines.count <= Self.fieldsMaximum.addingClamped(1) else { throw Self.tooLarge }
        for line in lines.dropFirst() { try take(line) }
        guard isOld || fields["host"] != nil else { throw Self.malformed }
    }

    private mutating func take(_ line: Substring) throws(WebFailure) {
        let pair = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard pair.count == 2, !pair[0].isEmpty, pair[0].utf8.allSatisfy(Self.isToken),
            pair[1].utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 })
        else { throw Self.malformed }
        let name = pair[0].lowercased()
        let value = Self.trimmed(pair[1])
        guard let known = fields[name] else {
            fields[name] = value
            return
        }
        // Two of these are two requests to two readers.
        guard !["host", "content-length"].contains(name) else { throw Self.malformed }
        fields[name] = known + ", " + value
    }

    /// RFC 9110's `tchar`.
    private static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }

    private static func trimmed(_ text: Substring) -> String {
        let isSpace: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        let start = text.drop(while: isSpace)
        return String(start.reversed().drop(while: isSpace).reversed())
    }

    /// The length of its body, in bytes.
    ///
    /// - Throws: a failure for one that is not told beforehand, or is longer than is taken.
    func bodyBytes(limit: Int) throws(WebFailure) -> Int {
        guard fields["transfer-encoding"] == nil else {
            throw .refusal(411, "usage", "a body needs its Content-Length")
        }
        guard let text = fields["content-length"] else { return 0 }
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            throw Self.malformed
        }
        guard let count = Int(text), count <= limit else { throw .tooLarge }
        return count
    }

    /// Whether the client waits to be told before it sends the body.
    var awaitsContinue: Bool { fields["expect"]?.lowercased() == "100-continue" }

    /// Whether another request may follow.
    var isPersistent: Bool { !isOld && fields["connection"]?.lowercased() != "close" }

    /// Whether it understands an answer in chunks.
    var takesChunks: Bool { !isOld }

    /// Whether only the head of the answer is wanted.
    var isHead: Bool { method == "HEAD" }

    static let malformed = WebFailure.badRequest("that is no request of HTTP")
    static let tooLarge = WebFailure.refusal(431, "too_large", "the head is larger than is taken")
}
