internal import SnapshotModel
package import System

/// Makes, lists and revokes the tokens of a state folder. A daemon that serves over it goes by what it finds there at each
/// request.
package struct WebTokens: Sendable {
    private let file: TokenFile
    private let clock: any Clock

    /// - Parameter state: the state folder, which is there.
    package init(state: String, clock: any Clock = SystemClock()) {
        file = TokenFile(state: state)
        self.clock = clock
    }

    /// What a new token is to be.
    package struct Request: Sendable {
        package var name: String
        package var role: WebRole
        /// For how long it lasts, in seconds; nil for good.
        package var seconds: Int64?
        /// Who asks for it.
        package var creator: String

        package init(name: String, role: WebRole, seconds: Int64?, creator: String) {
            self.name = name
            self.role = role
            self.seconds = seconds
            self.creator = creator
        }
    }

    /// Makes a token.
    ///
    /// - Returns: it, and the words that show it, which are kept nowhere; nil when nothing was changed.
    /// - Throws: `usage` for a name that is none, `exists` when there is one of the name, `refused` when there are too
    ///   many.
    package func create(
        _ request: Request, isDryRun: Bool
    ) throws -> (token: WebTokenSummary, secret: String?) {
        try Self.requireName(request.name)
        let lock = isDryRun ? nil : try file.lock()
        defer { withExtendedLifetime(lock) {} }
        let known = try file.tokens()
        guard !known.contains(where: { $0.name == request.name }) else {
            throw Problem(
                .exists, "there is a token \(request.name) already",
                hint: "choose another name, or revoke it first; see \(.tokenList)")
        }
        guard known.count < TokenFile.countMaximum else {
            throw Problem(
                .refused, "there are \(known.count) tokens already, and no more can be made",
                hint: "revoke those that nobody uses; see \(.tokenList)")
        }
        let secret = TokenSecret()
        guard let digest = secret.digest else {
            throw Problem(.failed, "the sum of a token cannot be made")
        }
        let now = clock.now()
        let token = WebToken(
            id: secret.id, name: request.name, roleWord: request.role.word, digest: digest,
            createdAt: now, createdBy: request.creator,
            expiresAt: request.seconds.map { now.advanced(bySeconds: $0) })
        if !isDryRun { try file.write(known + [token]) }
        return (summary(token, uses: [:]), isDryRun ? nil : secret.text)
    }

    private static let nameMaximum = 64

    /// A name is read in events, holds and tables.
    private static func requireName(_ name: String) throws(Problem) {
        let isPlain = name.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
            default: "._-".utf8.contains(byte)
            }
        }
        guard isPlain, (1...nameMaximum).contains(name.utf8.count), !name.hasPrefix("-") else {
            throw Problem(
                .usage, "`\(name.prefix(nameMaximum))` is no name for a token",
                hint: "it has 1 to \(nameMaximum) letters, digits, points, dashes and underscores")
        }
    }

    private func summary(_ token: WebToken, uses: [String: Timestamp]) -> WebTokenSummary {
        WebTokenSummary(
            token: token, lastUsedAt: uses[token.id],
            hasExpired: token.hasExpired(at: clock.now()))
    }

    /// All of them, by their names.
    package func list() throws -> [WebTokenSummary] {
        let uses = file.uses
        return try file.tokens().sorted { $0.name < $1.name }.map { summary($0, uses: uses) }
    }

    /// Takes tokens away: all of those that are named, or none. No request is answered to them from then on.
    ///
    /// - Throws: `notFound`.
    package func revoke(_ names: [String], isDryRun: Bool) throws -> [WebTokenSummary] {
        let lock = isDryRun ? nil : try file.lock()
        defer { withExtendedLifetime(lock) {} }
        let known = try file.tokens()
        for name in names where !known.contains(where: { $0.name == name }) {
            throw Problem(.notFound, "there is no token \(name)", hint: "see \(.tokenList)")
        }
        let uses = file.uses
        let gone = known.filter { names.contains($0.name) }
        if !isDryRun { try file.write(known.filter { !names.contains($0.name) }) }
        return gone.map { summary($0, uses: uses) }
    }
}
