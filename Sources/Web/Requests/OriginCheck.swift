/// Keeps pages of other sites from using a browser's way to this service: as there is one where somebody forwards its
/// socket to a port of his machine, and where a browser has a session.
struct OriginCheck {
    /// How the service was reached.
    enum Way: Hashable, Sendable {
        /// By a Unix socket, which anything may be forwarded to.
        case socket
        case network(isEncrypted: Bool)
    }

    private let request: HTTPRequest
    private let way: Way

    init(_ request: HTTPRequest, _ way: Way = .socket) {
        self.request = request
        self.way = way
    }

    /// - Throws: `forbidden`.
    func require() throws(WebFailure) {
        // In the network a name that leads here gives its page nothing: no browser sends it another name's cookie.
        guard way != .socket || Self.isLocal(host) else {
            throw .refusal(
                421, "forbidden", "the service is not known as \(host.prefix(200))",
                hint: "ask for it as localhost")
        }
        if let site = request.fields["sec-fetch-site"] {
            guard ["same-origin", "none"].contains(site) || isFollowedLink else {
                throw Self.foreign
            }
        }
        guard request.fields["origin"] == nil || hasOwnOrigin else { throw Self.foreign }
    }

    /// Of a change that a browser's cookie vouches for: it says that the service's own page asks, as all browsers do.
    ///
    /// - Throws: `forbidden`.
    func requireOwnPage() throws(WebFailure) {
        let isRead = ["GET", "HEAD"].contains(request.method)
        let isOwn = request.fields["sec-fetch-site"] == "same-origin" || hasOwnOrigin
        guard isRead || isOwn else { throw Self.foreign }
    }

    private var host: String { request.fields["host"] ?? "" }

    private var hasOwnOrigin: Bool {
        guard let origin = request.fields["origin"] else { return false }
        return origin == "https://" + host
            || way != .network(isEncrypted: true) && origin == "http://" + host
    }

    /// Somebody follows a link to the page, which by itself shows nothing and does nothing.
    private var isFollowedLink: Bool {
        way != .socket && request.target == "/" && request.method == "GET"
            && request.fields["sec-fetch-mode"] == "navigate"
            && request.fields["sec-fetch-dest"] == "document"
    }

    private static let foreign = WebFailure.refusal(
        403, "forbidden", "a page of another site may not ask")

    /// Any other name an attacker could have resolved to this machine, those without a point included: they are asked
    /// for in the local network, too.
    private static func isLocal(_ host: String) -> Bool {
        guard !host.hasPrefix("[") else { return host == "[::1]" || host.hasPrefix("[::1]:") }
        let name = host.prefix { $0 != ":" }
        return ["", "localhost", "127.0.0.1"].contains(name.lowercased())
    }
}
