internal import SnapshotModel
internal import System
internal import TLS

/// A place where clients come in. One thread takes them; any thread may stop it, or change what it shows of itself.
protocol WebDoor: AnyObject, Sendable {
    /// Waits for the next one; nil after ``stop()``.
    func accept() throws(IOFailure) -> WebVisitor?
    func stop()
}

/// Who has come in.
enum WebVisitor: Sendable {
    case process(LocalSocket, user: UInt32, group: WebAddress.Group?)
    /// Without an identity nothing is encrypted.
    case network(NetworkSocket, TLSIdentity?)

    /// Ends the connection, whatever it has come to.
    func shutDown() {
        switch self {
        case .process(let socket, _, _): socket.shutDown()
        case .network(let socket, _): socket.shutDown()
        }
    }

    /// Whether he may be a proxy of this machine, behind which many are.
    var isProxy: Bool {
        if case .network(let socket, nil) = self { socket.peer.isLoopback } else { false }
    }

    /// Where he comes from in the network; nil for a process of this machine.
    var network: String? {
        if case .network(let socket, _) = self { socket.peer.network } else { nil }
    }
}

/// Who asks, as far as the connection tells.
enum WebCaller: Sendable {
    case process(WebClient)
    /// Each request shows who asks.
    case network(NetworkPeer, isEncrypted: Bool)

    var way: OriginCheck.Way {
        switch self {
        case .process: .socket
        case .network(_, let isEncrypted): .network(isEncrypted: isEncrypted)
        }
    }
}

final class LocalDoor: WebDoor {
    private let listener: LocalListener
    private let group: WebAddress.Group?

    init(_ listener: LocalListener, _ group: WebAddress.Group?) {
        self.listener = listener
        self.group = group
    }

    func accept() throws(IOFailure) -> WebVisitor? {
        guard let socket = try listener.accept() else { return nil }
        return .process(socket, user: try socket.peerUser(), group: group)
    }

    func stop() { listener.stop() }
}

final class NetworkDoor: WebDoor {
    private let listener: NetworkListener
    private let identity: Monitored<TLSIdentity?>

    /// - Parameter identity: may be changed meanwhile: who comes in then is shown the new one.
    init(_ listener: NetworkListener, _ identity: Monitored<TLSIdentity?>) {
        self.listener = listener
        self.identity = identity
    }

    var port: Int { listener.port }

    func accept() throws(IOFailure) -> WebVisitor? {
        guard let socket = try listener.accept() else { return nil }
        return .network(socket, identity.withLock { $0 })
    }

    func stop() { listener.stop() }
}
