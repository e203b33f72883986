internal import Manager
internal import SnapshotModel

enum WebMethod: String, CaseIterable, Sendable {
    case get = "GET"
    case post = "POST"
    case delete = "DELETE"
}

/// One thing that can be asked for: what the server does and what its document says are made of the same values.
struct WebRoute: Sendable {
    /// What a route does, in a thread that may wait for disks.
    typealias Look = @Sendable (WebCall) throws -> WebAnswer

    enum Action: Sendable {
        case look(Look)
        /// What is asked in a body, and changes nothing.
        case ask([WebField], Ask)
        /// The bytes of a file, piece by piece.
        case file
        /// Events as they happen.
        case events
        /// What the service itself knows of its jobs.
        case jobs(@Sendable (WebJobs, WebCall) throws -> WebAnswer)
        /// Something that is changed, as its body says.
        case change([WebField], Prepare)
        /// A browser's session.
        case session(SessionAct)
    }

    enum SessionAct: Hashable, Sendable {
        case begin, end
    }

    /// Understands a request, and finds out nothing else: no disk is waited for.
    typealias Prepare = @Sendable (WebCall, WebBody) throws(WebFailure) -> WebChange

    /// As ``Look``, of what a body says.
    typealias Ask = @Sendable (WebCall, WebBody) throws -> WebAnswer

    /// What it answers.
    enum Shape: Hashable, Sendable {
        /// One of the documents of docs/schemas, by their names.
        case document([String])
        /// A document that only the API has, with its schema.
        case own(JSONValue)
        case text
        case bytes
        case events
        /// A part of the page.
        case page
    }

    var method: WebMethod
    var pattern: WebPattern
    /// What is needed; nil for nothing but to reach the server.
    var role: WebRole?
    var summary: String
    var query: [WebParameter]
    var shape: Shape
    var action: Action

    /// The fields of its body; nil when it has none.
    var bodyFields: [WebField]? {
        switch action {
        case .change(let fields, _), .ask(let fields, _): fields
        case .session(.begin): SessionRequest.fields
        default: nil
        }
    }

    /// A look at what there is.
    static func get(
        _ pattern: WebPattern, _ summary: String, _ schemas: [String],
        _ query: [WebParameter] = [], _ look: @escaping @Sendable (WebCall) throws -> JSONValue
    ) -> WebRoute {
        WebRoute(
            method: .get, pattern: pattern, role: .read, summary: summary, query: query,
            shape: .document(schemas), action: .look { .document(try look($0)) })
    }

    /// Something that is changed.
    static func post(
        _ pattern: WebPattern, _ summary: String, _ role: WebRole, _ schemas: [String],
        _ fields: [WebField], _ prepare: @escaping Prepare
    ) -> WebRoute {
        WebRoute(
            method: .post, pattern: pattern, role: role, summary: summary, query: [],
            shape: .document(schemas), action: .change(fields, prepare))
    }
}

/// A route's path: `/api/v1/volumes/{volume}`.
struct WebPattern: Hashable, Sendable, ExpressibleByStringLiteral {
    enum Part: Hashable, Sendable {
        case word(String)
        case variable(String)
    }

    let text: String
    let parts: [Part]

    init(stringLiteral text: String) {
        self.text = text
        parts = text.split(separator: "/").map { part in
            part.hasPrefix("{")
                ? .variable(String(part.dropFirst().dropLast())) : .word(String(part))
        }
    }

    /// The names of its variable parts, in their order.
    var variables: [String] {
        parts.compactMap { part in
            if case .variable(let name) = part { name } else { nil }
        }
    }

    /// What a path has in the place of each variable; nil when it is another path.
    func match(_ path: [String]) -> [String: String]? {
        guard path.count == parts.count else { return nil }
        var found: [String: String] = [:]
        for (part, text) in zip(parts, path) {
            switch part {
            case .word(let word): guard word == text else { return nil }
            case .variable(let name):
                guard !text.isEmpty else { return nil }
                found[name] = text
            }
        }
        return found
    }
}

/// All that is served.
struct RouteTable: Sendable {
    let routes: [WebRoute]

    struct Match: Sendable {
        var route: WebRoute
        var variables: [String: String]
    }

    /// - Parameters:
    ///   - method: HTTP's word; `HEAD` is `GET` whose answer is not wanted.
    ///   - path: as it was sent.
    func match(_ method: String, _ path: Substring) throws(WebFailure) -> Match {
        let parts = path.split(separator: "/").map { PercentCode.decode($0) }
        guard path.hasPrefix("/"), !parts.contains(nil) else {
            throw .badRequest("the path is not percent-encoded UTF-8")
        }
        let words = parts.compactMap(\.self)
        let wanted = method == "HEAD" ? "GET" : method
        var found: [Match] = []
        for route in routes {
            guard let variables = route.pattern.match(words) else { continue }
            found.append(Match(route: route, variables: variables))
        }
        let fitting = found.filter { $0.route.method.rawValue == wanted }
        // The one that says most of it in words.
        if let best = fitting.min(by: { $0.variables.count < $1.variables.count }) { return best }
        guard found.isEmpty else {
            let methods = Set(found.map(\.route.method.rawValue)).sorted()
            throw .wrongMethod(method, String(path), methods)
        }
        throw .noRoute(String(path))
    }
}
