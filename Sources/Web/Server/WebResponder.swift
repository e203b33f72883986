internal import Manager
internal import SnapshotModel
internal import System

/// Finds out what a request asks for and whether its client may, and has it done. Any thread may call.
struct WebResponder: Sendable {
    let options: WebOptions
    let limits: WebLimits
    let table: RouteTable
    /// Of those who come by the socket, and of those who come over the network.
    let local: WebShare
    let network: WebShare
    let feed: EventFeed
    let jobs: WebJobs
    let gate: WebGate

    /// - Parameter onKnown: called before the answer when who asks is no stranger.
    /// - Returns: whether the answer is whole.
    func respond(
        to exchange: HTTPExchange, _ caller: WebCaller, _ cancellation: Cancellation,
        onKnown: () -> Void
    ) -> Bool {
        do {
            try answer(exchange, caller, cancellation, onKnown)
            return true
        } catch {
            // Who has half of an answer sees by its end that it is one.
            guard !exchange.hasBegun else { return false }
            let reply = WebReply(WebFailure(error), options.errorDocument)
            return (try? exchange.send(reply)) != nil
        }
    }

    private func answer(
        _ exchange: HTTPExchange, _ caller: WebCaller, _ cancellation: Cancellation,
        _ onKnown: () -> Void
    ) throws {
        let target = exchange.request.target
        guard target.utf8.count <= limits.targetBytes else {
            throw WebFailure.refusal(414, "too_large", "the path is longer than is taken")
        }
        try OriginCheck(exchange.request, caller.way).require()
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let match = try table.match(exchange.request.method, parts[0])
        let client = try client(caller, exchange.request)
        if client.access != .nobody { onKnown() }
        try client.require(match.route.role)
        let query = try WebQuery(parts.count > 1 ? parts[1] : "", match.route.query)
        let call = call(match, query, client, cancellation)
        if case .session(let act) = match.route.action {
            return try SessionRequest(exchange: exchange, gate: gate).answer(act, call, caller)
        }
        try perform(match.route, call, exchange)
    }

    private func client(_ caller: WebCaller, _ request: HTTPRequest) throws -> WebClient {
        switch caller {
        case .process(let client): client
        case .network(let peer, _): try gate.client(request, from: peer, caller.way)
        }
    }

    private func perform(
        _ route: WebRoute, _ call: WebCall, _ exchange: HTTPExchange
    ) throws {
        let share = call.client.access == .socket ? local : network
        switch route.action {
        case .look(let look):
            // What everybody may ask for needs no disk: who watches the service hears of it however much goes on.
            let answer = try route.role == nil ? look(call) : share.looks.take { try look(call) }
            let reply = WebReply(answer)
            try exchange.send(reply.unlessKnown(exchange.request.fields["if-none-match"]))
        case .ask(let fields, let ask):
            try exchange.requireJSON()
            let body = try WebBody(exchange.body, fields)
            try exchange.send(WebReply(try share.looks.take { try ask(call, body) }))
        case .file: try share.downloads.take { try FileDownload(call).send(exchange) }
        case .events: try EventStream(call, exchange.request, feed).send(exchange)
        case .jobs(let look): try exchange.send(WebReply(try look(jobs, call)))
        case .change(let fields, let prepare):
            try ChangeRequest(exchange, jobs).answer(call, fields, prepare)
        case .session: throw WebFailure.noRoute(exchange.request.target)
        }
    }

    private func call(
        _ match: RouteTable.Match, _ query: WebQuery, _ client: WebClient,
        _ cancellation: Cancellation
    ) -> WebCall {
        var operation = options.operation()
        operation.requester = client.requester
        operation.cancellation = cancellation
        operation.deadline = Deadline(milliseconds: limits.lookMilliseconds)
        return WebCall(
            manager: options.manager.performing(operation), operation: operation,
            version: options.version, client: client,
            isStillAllowed: { [gate] in gate.isStillAllowed(client, match.route.role) },
            variables: match.variables, query: query)
    }
}

/// What goes on at once for those who come in by one way.
struct WebShare: Sendable {
    let looks: WebTurns
    /// They have no end of their own.
    let downloads: WebTurns

    /// - Parameter milliseconds: how long one waits for his turn.
    init(looks: Int, downloads: Int, _ milliseconds: Int) {
        self.looks = WebTurns(looks, milliseconds: milliseconds)
        self.downloads = WebTurns(downloads, milliseconds: milliseconds)
    }
}

/// Has no more looks, or downloads, go on at once than the machine should have. Any thread may call.
final class WebTurns: Sendable {
    private let free: Monitored<Int>
    private let milliseconds: Int

    /// - Parameter milliseconds: how long one waits for his turn.
    init(_ count: Int, milliseconds: Int) {
        free = Monitored(count)
        self.milliseconds = milliseconds
    }

    /// - Throws: `busy` when it is not its turn in time.
    func take<Result>(_ body: () throws -> Result) throws -> Result {
        let isMine = free.wait(milliseconds: milliseconds) { free -> Bool? in
            guard free > 0 else { return nil }
            free -= 1
            return true
        }
        guard isMine == true else { throw WebFailure.busy }
        defer { free.change { $0 += 1 } }
        return try body()
    }
}
