internal import Manager
internal import SnapshotModel
internal import System

/// Begins and ends a browser's session.
struct SessionRequest {
    let exchange: HTTPExchange
    let gate: WebGate

    static let fields = [
        WebField.text("token", "As it was printed when it was made.", isRequired: true)
    ]

    func answer(_ act: WebRoute.SessionAct, _ call: WebCall, _ caller: WebCaller) throws {
        guard case .network(let peer, _) = caller else {
            throw WebFailure.refusal(
                409, "refused", "on this socket the kernel says who asks: there are no sessions")
        }
        switch act {
        case .begin: try signIn(peer, before: call.client)
        case .end: try signOut(call.client)
        }
    }

    /// - Parameter before: whose session, if it is one, the new one takes the place of.
    private func signIn(_ peer: NetworkPeer, before: WebClient) throws {
        try exchange.requireJSON()
        let body = try WebBody(exchange.body, Self.fields)
        let (cookie, client) = try gate.signIn(body.text("token") ?? "", from: peer)
        gate.signOut(before)
        var reply = WebReply(200, client.json)
        reply.fields.append(SessionCookie.field(cookie, seconds: WebSessions.longestSeconds))
        try exchange.send(reply)
    }

    private func signOut(_ client: WebClient) throws {
        gate.signOut(client)
        var reply = WebReply(200, [:])
        reply.fields.append(SessionCookie.field("", seconds: 0))
        try exchange.send(reply)
    }
}
