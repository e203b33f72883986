internal import Manager
internal import SnapshotModel
internal import System

/// An answer whose length is known.
struct WebReply: Sendable {
    var status: Int
    var fields: [(String, String)]
    var bytes: [UInt8]
    /// What its content is known by; nil for what is made anew each time.
    private var tag: String?

    private static let tagBytes = 16

    private static func tag(of bytes: [UInt8]) -> String? {
        guard let sum = bytes.span.bytes.sha256 else { return nil }
        let digits = sum.prefix(tagBytes).map { UInt32($0).padded(to: 2, radix: 16) }
        return "\"\(digits.joined())\""
    }

    /// The same for a client that may have it already.
    ///
    /// - Parameter known: the tags that he has, as `If-None-Match` lists them.
    func unlessKnown(_ known: String?) -> WebReply {
        guard let tag, let known, known == "*" || known.contains(tag) else { return self }
        var reply = self
        (reply.status, reply.bytes) = (304, [])
        return reply
    }

    init(_ answer: WebAnswer) {
        switch answer {
        case .document(let value): self.init(200, value)
        case .written(let text): self.init(200, text, WebAnswer.jsonType)
        case .text(let text, let type): self.init(200, text, type)
        case .page(let file):
            self.init(file)
            tag = Self.tag(of: file.bytes)
            if let tag { fields.append(("ETag", tag)) }
        }
    }

    init(_ status: Int, _ document: JSONValue) {
        self.init(status, "\(document)\n", WebAnswer.jsonType)
    }

    init(_ status: Int, _ text: String, _ type: String) {
        self.status = status
        bytes = Array(text.utf8)
        fields = Self.fields(type)
    }

    init(_ failure: WebFailure, _ write: (Problem) -> JSONValue) {
        self.init(failure.status, failure.document(write))
        guard case .refused(let refusal) = failure else {
            if failure.isPassing { fields.append(("Retry-After", "1")) }
            return
        }
        if failure.isPassing { fields.append(("Retry-After", "\(refusal.retrySeconds)")) }
        if failure.status == 401 { fields.append(("WWW-Authenticate", "Bearer")) }
        if !refusal.methods.isEmpty {
            fields.append(("Allow", refusal.methods.joined(separator: ", ")))
        }
    }

    /// Those of every answer: browsers keep it from being taken for anything else.
    static func fields(_ type: String) -> [(String, String)] {
        [
            ("Content-Type", type), ("X-Content-Type-Options", "nosniff"),
            ("Cache-Control", "no-store"),
            ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
        ]
    }
}
