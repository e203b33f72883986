internal import Manager
internal import SnapshotModel
internal import System

/// A client's connection: one request at a time. Its thread runs it; any thread may end it.
final class WebConnection: Sendable {
    private let socket: LocalSocket
    private let user: UInt32
    private let group: WebAddress.Group?
    private let responder: WebResponder
    private let state = Monitored(State())

    private struct State {
        /// Of the request that is under way.
        var current: Cancellation?
        var hasEnded = false
    }

    /// - Parameter user: the number of whoever has connected.
    init(
        _ socket: LocalSocket, user: UInt32, group: WebAddress.Group?, _ responder: WebResponder
    ) {
        self.socket = socket
        self.user = user
        self.group = group
        self.responder = responder
    }

    func run() {
        socket.limitSend(milliseconds: responder.limits.writeMilliseconds)
        // His name may have to be asked for in the network: that holds up nobody else.
        let client = WebClient(user: user, own: LocalSocket.ownUser, group: group)
        var reader = HTTPReader(socket, responder.limits)
        while serve(&reader, client) {}
        socket.shutDown()
    }

    /// False when no further request is answered.
    private func serve(_ reader: inout HTTPReader, _ client: WebClient) -> Bool {
        do throws(HTTPReader.Absence) {
            let request = try reader.head()
            let body = try reader.body(of: request) {
                try? HTTPExchange.put(HTTPExchange.goOn, on: socket)
            }
            let exchange = HTTPExchange(request, body: body, socket)
            return responder.respond(to: exchange, client, begin()) && exchange.isPersistent
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
        socket.shutDown()
    }
}
