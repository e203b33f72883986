internal import Manager
internal import SnapshotModel

/// An answer whose length is known.
struct WebReply: Sendable {
    var status: Int
    var fields: [(String, String)]
    var bytes: [UInt8]

    init(_ answer: WebAnswer) {
        switch answer {
        case .document(let value): self.init(200, value)
        case .written(let text): self.init(200, text, WebAnswer.jsonType)
        case .text(let text, let type): self.init(200, text, type)
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
        if failure.isPassing { fields.append(("Retry-After", "1")) }
        if case .refused(let refusal) = failure, !refusal.methods.isEmpty {
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
