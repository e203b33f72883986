internal import Manager
internal import SnapshotModel

/// A request as a route's work sees it.
struct WebCall: Sendable {
    /// Performs what this request asks for.
    let manager: Manager
    let operation: Operation
    /// The program's version.
    let version: String
    let client: WebClient
    /// Whether the client may go on: what he was let in by may be taken away meanwhile. May read.
    let isStillAllowed: @Sendable () -> Bool
    /// The parts of the path that the route names.
    let variables: [String: String]
    let query: WebQuery

    /// A part of the path; empty when the route does not name it.
    func variable(_ name: String) -> String { variables[name] ?? "" }
}

/// What a route's work answers.
enum WebAnswer: Sendable {
    case document(JSONValue)
    /// A document that is written already.
    case written(String)
    case text(String, type: String)
    case page(PageFile)

    static let jsonType = "application/json"
    static let plainType = "text/plain; charset=utf-8"
}
