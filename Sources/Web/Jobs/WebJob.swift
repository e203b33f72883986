internal import Manager
internal import SnapshotModel
internal import System

/// Something that a client of the API has asked for.
struct WebJob: Sendable {
    enum State: String, Sendable {
        case running, done, failed
    }

    /// What came of it.
    struct Outcome: Hashable, Sendable {
        /// HTTP's.
        var status: Int
        /// The command's document, or what the error's has in it; as JSON.
        var text: String

        var isFailure: Bool { status >= 400 }

        /// As it is answered.
        var document: String { isFailure ? "{\"error\":\(text)}\n" : text + "\n" }
    }

    var id: Int64
    var kind: String
    var volumes: [String]
    var requester: Requester
    var since: Timestamp
    var cancellation = Cancellation()
    var isCancellable = true
    var progress: OperationProgress?
    /// Nil while it runs.
    var outcome: Outcome?
    /// Nil while it runs.
    var endedAt: Timestamp?
    /// Under which it can be asked for again.
    var key: JobKey?
    /// Whether what came of it is in its record alone.
    var isTextKept = false

    var state: State {
        guard let outcome else { return .running }
        return outcome.isFailure ? .failed : .done
    }

    /// As JSON.
    var text: String { written(with: outcome?.text) }

    /// As it is listed, without its document, which may be large.
    var listed: String { written(with: state == .failed ? outcome?.text : nil) }

    private func written(with text: String?) -> String {
        let fields: [(String, String)] = [
            ("id", "\(id)"), ("kind", "\(JSONValue(kind))"),
            ("state", "\(JSONValue(state))"), ("volumes", "\(JSONValue(volumes))"),
            ("requested_by", "\(requester.json)"), ("since", "\(JSONValue(since))"),
            ("progress", "\(progress?.json ?? .null)"),
            ("cancellable", "\(JSONValue(outcome == nil && isCancellable))"),
            ("status", "\(JSONValue(outcome?.status))"),
            ("result", state == .done ? text ?? "null" : "null"),
            ("error", state == .failed ? text ?? "null" : "null"),
        ]
        return "{" + fields.map { "\"\($0)\":\($1)" }.joined(separator: ",") + "}"
    }
}

/// What makes a request that is sent again the same one: the client's word for it, who he is, and what he asks for.
struct JobKey: Hashable, Sendable, Codable {
    var user: UInt32
    /// The ID of the token that a client of the network has; nil of one on a Unix socket.
    var token: String?
    var word: String
    /// SHA-256 of the method, the path and the body, in hexadecimal digits.
    var request: String

    private static let wordMaximum = 64

    /// - Throws: a failure for what no key is.
    init(
        _ word: String, user: UInt32, token: String? = nil, request: String
    ) throws(WebFailure) {
        let isPlain = word.utf8.allSatisfy { (0x21...0x7e).contains($0) }
        guard isPlain, (1...Self.wordMaximum).contains(word.utf8.count) else {
            throw .badRequest(
                "Idempotency-Key has 1 to \(Self.wordMaximum) printable characters without spaces")
        }
        self.user = user
        self.token = token
        self.word = word
        self.request = request
    }

    /// Whether it is the same client's word.
    func isNamed(as other: JobKey) -> Bool {
        user == other.user && token == other.token && word == other.word
    }
}
