internal import Manager
internal import SnapshotModel

/// Why a request is not answered as it asked.
enum WebFailure: Error {
    /// What a use case says.
    case problem(Problem)
    /// What only HTTP knows.
    case refused(Refusal)

    struct Refusal: Hashable, Sendable {
        var status: Int
        /// `error.code` in the document.
        var code: String
        var message: String
        var hint: String?
        /// Of `Allow`.
        var methods: [String] = []
        /// Of `Retry-After`, in seconds.
        var retrySeconds = 1
    }

    init(_ error: any Error) {
        self = error as? WebFailure ?? .problem(Problem(error))
    }

    var status: Int {
        switch self {
        case .problem(let problem): Self.status(of: problem.code)
        case .refused(let refusal): refusal.status
        }
    }

    /// What clients of HTTP know of a use case's failure.
    static func status(of code: Problem.Code) -> Int {
        switch code {
        case .usage, .ambiguous: 400
        case .notFound: 404
        case .exists, .refused: 409
        case .locked: 423
        case .missing, .interrupted: 503
        case .noSpace: 507
        case .failed, .partial, .inputOutput, .corrupt, .newerVersion, .broken, .cannotListen: 500
        }
    }

    /// - Parameter write: makes the document of a problem, as the command line prints it.
    func document(_ write: (Problem) -> JSONValue) -> JSONValue {
        switch self {
        case .problem(let problem): write(problem)
        case .refused(let refusal):
            [
                "error": [
                    "code": JSONValue(refusal.code), "message": JSONValue(refusal.message),
                    "hint": JSONValue(refusal.hint), "commands": .array([]),
                ]
            ]
        }
    }

    /// Whether the same request may do better a moment later.
    var isPassing: Bool { [423, 503, 429].contains(status) }
}

extension WebFailure {
    static func refusal(
        _ status: Int, _ code: String, _ message: String, hint: String? = nil
    ) -> WebFailure {
        .refused(Refusal(status: status, code: code, message: message, hint: hint))
    }

    static func noRoute(_ path: String) -> WebFailure {
        refusal(
            404, "not_found", "nothing is served at \(path.prefix(200))",
            hint: "see /api/v1/openapi.json")
    }

    static func wrongMethod(_ method: String, _ path: String, _ methods: [String]) -> WebFailure {
        .refused(
            Refusal(
                status: 405, code: "method", message: "\(method) is not for \(path.prefix(200))",
                hint: "it takes " + methods.joined(separator: ", "), methods: methods))
    }

    static func forbidden(_ needed: WebRole, _ role: WebRole?) -> WebFailure {
        refusal(
            403, "forbidden",
            "that needs the role \(needed.word), and you have \(role?.word ?? "none")")
    }

    static let unauthorized = refusal(
        401, "unauthorized", "who asks has to show a token",
        hint: "send it as `Authorization: Bearer TOKEN`; who keeps the daemon's machine makes one")
    static let wrongToken = refusal(
        401, "unauthorized", "that token is not known, or has expired",
        hint: "ask who keeps the daemon's machine for another one")
    static let tooManyFailures = WebFailure.refused(
        Refusal(
            status: 429, code: "busy", message: "too many wrong tokens came from there",
            hint: "try again in half a minute", retrySeconds: SignInLimits.forgivingSeconds))

    static func badRequest(_ message: String) -> WebFailure { refusal(400, "usage", message) }

    static let busy = refusal(
        503, "busy", "too many requests are under way", hint: "try again in a second")
    static let tooLarge = refusal(413, "too_large", "the request is larger than is taken")
}
