internal import Manager
internal import SnapshotModel
internal import System

/// Who asks, and what he may do.
struct WebClient: Hashable, Sendable {
    /// How it is known who he is.
    enum Access: Hashable, Sendable {
        /// The kernel says it of who has connected to a Unix socket.
        case socket
        /// Somebody of the network has shown nothing.
        case nobody
        case token(WebToken)
        /// A browser's, begun with a token.
        case session(WebToken, sum: String, endsAt: Timestamp)
    }

    var requester: Requester
    /// Nil when he may do nothing.
    var role: WebRole?
    var access: Access

    /// Somebody who has connected to a Unix socket. Root and the service's own user may do everything; anybody else
    /// has come by the socket's group.
    ///
    /// - Parameters:
    ///   - user: his number.
    ///   - own: that of the service.
    init(user: UInt32, own: UInt32, group: WebAddress.Group?) {
        requester = .onWeb(user: user)
        role = user == 0 || user == own ? .revert : group?.role
        access = .socket
    }

    /// Somebody of the network: what is done for him is done by this process's user, and he is told by his token.
    init(_ access: Access) {
        self.access = access
        let token = Self.token(of: access)
        requester = .onWeb(token: token?.name ?? "")
        role = token?.role
    }

    private static func token(of access: Access) -> WebToken? {
        switch access {
        case .socket, .nobody: nil
        case .token(let token), .session(let token, _, _): token
        }
    }

    /// Nil for who has come by a Unix socket, or has shown none.
    var token: WebToken? { Self.token(of: access) }

    /// The one place where it is decided who may do what.
    ///
    /// - Parameter needed: nil for what everybody may who reaches the service.
    /// - Throws: `forbidden`; `unauthorized` when it is not known who asks.
    func require(_ needed: WebRole?) throws(WebFailure) {
        guard let needed else { return }
        guard access != .nobody else { throw .unauthorized }
        guard let role, role >= needed else { throw .forbidden(needed, role) }
    }
}

extension WebClient: JSONConvertible {
    /// As `session` tells it.
    var json: JSONValue {
        let (how, end): (String, Timestamp?) =
            switch access {
            case .socket, .nobody: ("socket", nil)
            case .token(let token): ("token", token.expiresAt)
            case .session(_, _, let endsAt): ("cookie", endsAt)
            }
        return [
            "name": JSONValue(token?.name ?? requester.name), "role": JSONValue(role?.word),
            "expires_at": JSONValue(end), "how": JSONValue(how),
        ]
    }
}
