internal import Manager
internal import SnapshotModel
internal import System

/// Finds out who asks over the network: by a token, or by the cookie of a session. Any thread may call; all of it may
/// read.
final class WebGate: Sendable {
    private let book: TokenBook
    private let clock: any Clock
    private let note: @Sendable (String) -> Void
    private let state = Monitored(State())

    private struct State {
        var sessions = WebSessions()
        var limits = SignInLimits()
    }

    /// The prefix has browsers keep it for this very name, over an encrypted way alone, and for all paths.
    static let cookieName = "__Host-snapmgr"
    private static let cookieWords = 4

    /// What a page sends with a request that nobody's hand has caused for a while.
    static let unattendedField = "x-snapmgr-unattended"

    /// - Parameters:
    ///   - state: the state folder, where the tokens are.
    ///   - onNote: hears of addresses from which many wrong tokens come.
    init(state folder: String, clock: any Clock, onNote: @escaping @Sendable (String) -> Void) {
        book = TokenBook(state: folder, clock: clock)
        self.clock = clock
        note = onNote
    }

    /// - Throws: `unauthorized` for a token that is none, `busy` for who has shown too many of those, `forbidden` for a
    ///   session's change that is not the page's own.
    func client(
        _ request: HTTPRequest, from peer: NetworkPeer, _ way: OriginCheck.Way
    ) throws
        -> WebClient
    {
        if let field = request.fields["authorization"] {
            let words = field.split(separator: " ")
            guard words.count == 2, words[0].lowercased() == "bearer" else {
                throw WebFailure.unauthorized
            }
            return WebClient(.token(try token(shown: String(words[1]), peer)))
        }
        guard let sum = Self.cookie(of: request).flatMap({ SecretSum.digits(of: $0) }),
            let client = try client(ofSession: sum, isByHand: Self.isByHand(request))
        else { return WebClient(.nobody) }
        try OriginCheck(request, way).requireOwnPage()
        return client
    }

    /// A browser that follows events connects again by itself, and cannot say that it does.
    private static func isByHand(_ request: HTTPRequest) -> Bool {
        request.fields[unattendedField] == nil && request.fields["accept"] != "text/event-stream"
    }

    private func token(shown text: String, _ peer: NetworkPeer) throws -> WebToken {
        let secret = TokenSecret(text)
        guard let secret, let token = try book.known(secret.id), secret.isSecret(of: token) else {
            throw failure(of: secret?.id, peer)
        }
        // Whoever has a token is kept waiting by nobody's wrong ones: many stand behind one address. One who has had it
        // is no stranger who guesses.
        guard !token.hasExpired(at: clock.now()) else { throw WebFailure.wrongToken }
        book.noteUse(of: token.id)
        return token
    }

    /// Why a wrong token does not let in, which counts.
    private func failure(of id: String?, _ peer: NetworkPeer) -> WebFailure {
        let now = clock.monotonicNanoseconds()
        let (mayTry, isNews) = state.withLock { state in
            guard state.limits.mayTry(peer.network, token: id, at: now) else {
                return (false, false)
            }
            return (true, state.limits.fail(peer.network, token: id, at: now))
        }
        if isNews { note("many wrong tokens came from \(peer.text)") }
        return mayTry ? .wrongToken : .tooManyFailures
    }

    private static func cookie(of request: HTTPRequest) -> String? {
        let pairs = request.fields["cookie"]?.split { ";,".contains($0) } ?? []
        let prefix = cookieName + "="
        return pairs.map { $0.drop { $0 == " " } }.first { $0.hasPrefix(prefix) }
            .map { String($0.dropFirst(prefix.utf8.count)) }
    }

    /// Nil when it is over, or its token is.
    ///
    /// - Parameter isByHand: whether the session goes on by it.
    private func client(ofSession sum: String, isByHand: Bool) throws -> WebClient? {
        let now = clock.monotonicNanoseconds()
        let session = state.withLock { state in
            isByHand ? state.sessions.use(sum, at: now) : state.sessions.look(sum, at: now)
        }
        guard let session else { return nil }
        guard let token = try book.token(session.tokenID) else {
            state.withLock { $0.sessions.end(sum) }
            return nil
        }
        if isByHand { book.noteUse(of: token.id) }
        return WebClient(.session(token, sum: sum, endsAt: end(of: session, token, now)))
    }

    private func end(
        of session: WebSessions.Session, _ token: WebToken, _ now: Int64
    ) -> Timestamp {
        let longest = WebSessions.longestSeconds.multipliedClamped(by: 1_000_000_000)
        let left = longest.subtractingClamped(now.subtractingClamped(session.beganAt))
        let end = clock.now().advanced(byNanoseconds: left)
        return token.expiresAt.map { min($0, end) } ?? end
    }

    // MARK: Sessions

    /// Begins a session for who shows a token.
    ///
    /// - Returns: the cookie's value, which is kept nowhere, and who has it.
    /// - Throws: as ``client(_:from:_:)``.
    func signIn(_ text: String, from peer: NetworkPeer) throws -> (cookie: String, WebClient) {
        let token = try token(shown: text, peer)
        let cookie = TokenSecret.random(words: Self.cookieWords)
        guard let sum = SecretSum.digits(of: cookie) else {
            throw Problem(.failed, "the sum of a session cannot be made")
        }
        let now = clock.monotonicNanoseconds()
        state.withLock { $0.sessions.begin(sum, token: token.id, at: now) }
        let session = WebSessions.Session(tokenID: token.id, beganAt: now, usedAt: now)
        return (
            cookie, WebClient(.session(token, sum: sum, endsAt: end(of: session, token, now)))
        )
    }

    func signOut(_ client: WebClient) {
        guard case .session(_, let sum, _) = client.access else { return }
        state.withLock { $0.sessions.end(sum) }
    }

    /// Whether who was let in may go on with what needs a role: a token may be revoked, and a session end, meanwhile.
    func isStillAllowed(_ client: WebClient, _ needed: WebRole?) -> Bool {
        guard let shown = client.token else { return true }
        if case .session(_, let sum, _) = client.access {
            let now = clock.monotonicNanoseconds()
            guard state.withLock({ $0.sessions.look(sum, at: now) }) != nil else { return false }
        }
        guard let token = try? book.token(shown.id), let role = token.role else { return false }
        return needed.map { role >= $0 } ?? true
    }
}

/// A cookie as a server sets it.
enum SessionCookie {
    /// - Parameter seconds: for how long a browser keeps it; 0 takes it away.
    static func field(_ value: String, seconds: Int64) -> (String, String) {
        (
            "Set-Cookie",
            "\(WebGate.cookieName)=\(value); Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=\(seconds)"
        )
    }
}
