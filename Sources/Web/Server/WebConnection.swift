internal import Manager
internal import SnapshotModel
internal import System
internal import TLS

/// A client's connection: one request at a time. Its thread runs it; any thread may end it.
final class WebConnection: Sendable {
    private let visitor: WebVisitor
    private let responder: WebResponder
    private let state = Monitored(State())

    private struct State {
        /// Of the request that is under way.
        var current: Cancellation?
        var hasEnded = false
        var isKnown = false
    }

    init(_ visitor: WebVisitor, _ responder: WebResponder) {
        self.visitor = visitor
        self.responder = responder
    }

    /// What decides whether it may be there.
    func guest(_ number: Int64) -> WebRoom.Guest {
        let (isKnown, isWaiting) = state.withLock { ($0.isKnown, $0.current == nil) }
        return WebRoom.Guest(
            number: number, network: visitor.network, isShared: visitor.isProxy, isKnown: isKnown,
            isWaiting: isWaiting)
    }

    func run() {
        defer { visitor.shutDown() }
        guard let (stream, caller) = open() else { return }
        stream.limitSend(milliseconds: responder.limits.writeMilliseconds)
        var limits = responder.limits
        if visitor.network != nil { limits.idleMilliseconds = limits.networkIdleMilliseconds }
        var reader = HTTPReader(stream, limits)
        while serve(&reader, stream, caller) {}
        stream.finish()
    }

    /// Nil for who does not come to speak of anything: he does not agree on keys, or not in time.
    private func open() -> (any ByteStream, WebCaller)? {
        switch visitor {
        case .process(let socket, let user, let group):
            // His name may have to be asked for in the network: that holds up nobody else.
            let client = WebClient(user: user, own: LocalSocket.ownUser, group: group)
            return (socket, .process(client))
        case .network(let socket, nil):
            return (socket, .network(socket.peer, isEncrypted: false))
        case .network(let socket, let identity?):
            let stream = try? TLSSocket(
                socket, identity, milliseconds: responder.limits.handshakeMilliseconds)
            return stream.map { ($0, .network(socket.peer, isEncrypted: true)) }
        }
    }

    /// False when no further request is answered.
    private func serve(
        _ reader: inout HTTPReader, _ socket: any ByteStream, _ caller: WebCaller
    ) -> Bool {
        do throws(HTTPReader.Absence) {
            let request = try reader.head()
            let body = try reader.body(of: request) {
                try? HTTPExchange.put(HTTPExchange.goOn, on: socket)
            }
            let exchange = HTTPExchange(request, body: body, socket)
            defer { state.withLock { $0.current = nil } }
            let isWhole = responder.respond(to: exchange, caller, begin()) { [state] in
                state.withLock { $0.isKnown = true }
            }
            return isWhole && exchange.isPersistent
        } catch {
            guard case .failure(let failure) = error else { return false }
            // Where the next request would begin is not known.
            let reply = WebReply(failure, responder.options.errorDocument)
            let length = [("Content-Length", "\(reply.bytes.count)")]
            let head = HTTPExchange.head(reply.status, reply.fields + length, isPersistent: false)
            try? HTTPExchange.put(head + reply.bytes, on: socket)
            return false
        }
    }

    /// What the next request ends by when the service ends.
    private func begin() -> Cancellation {
        let cancellation = Cancellation()
        let hasEnded = state.withLock { state in
            state.current = cancellation
            return state.hasEnded
        }
        if hasEnded { cancellation.request() }
        return cancellation
    }

    /// The service ends.
    func end() {
        let current = state.withLock { state in
            state.hasEnded = true
            return state.current
        }
        current?.request()
        visitor.shutDown()
    }
}
