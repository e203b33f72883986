internal import SnapshotModel
internal import System

/// The tokens as a daemon knows them: read again when the file is another one. Any thread may call; all of it may read.
final class TokenBook: Sendable {
    private let file: TokenFile
    private let clock: any Clock
    private let state = Monitored(State())

    private struct State {
        /// The file that `tokens` are of; nil for none.
        var status: FileStatus?
        var tokens: [String: WebToken] = [:]
        var uses: [String: Timestamp] = [:]
        /// Whether the file of uses was read.
        var knowsUses = false
        /// Whether somebody writes them down, and whether there are some that are not written.
        var isWriting = false
        var hasNews = false
    }

    /// A use is written down this long after the one before, in seconds.
    private static let useSeconds: Int64 = 60

    init(state folder: String, clock: any Clock) {
        file = TokenFile(state: folder)
        self.clock = clock
    }

    /// The token of an ID that has not expired; nil when there is none.
    ///
    /// - Throws: when the file cannot be read: then nobody is let in.
    func token(_ id: String) throws(Problem) -> WebToken? {
        guard let token = try known(id), !token.hasExpired(at: clock.now()) else { return nil }
        return token
    }

    /// The same, also when it has expired.
    func known(_ id: String) throws(Problem) -> WebToken? { try all()[id] }

    private func all() throws(Problem) -> [String: WebToken] {
        let status = try file.status()
        if let known = state.withLock({ $0.status == status ? $0.tokens : nil }) { return known }
        // What is read may be newer than its status: then the next look reads it again.
        let tokens = try file.tokens().reduce(into: [:]) { $0[$1.id] = $1 }
        state.change { ($0.status, $0.tokens) = (status, tokens) }
        return tokens
    }

    /// Writes down that a token is used, to the minute. It only tells people: that it cannot be written is no reason to
    /// fail. Who comes while another writes leaves it to him, and waits for nothing.
    func noteUse(of id: String) {
        guard note(id, at: clock.now()) else { return }
        while let uses = nextToWrite() { try? file.write(uses) }
    }

    /// Whether the caller is the one to write.
    private func note(_ id: String, at now: Timestamp) -> Bool {
        if !state.withLock({ $0.knowsUses }) {
            let uses = file.uses
            state.change { state in
                if !state.knowsUses { (state.uses, state.knowsUses) = (uses, true) }
            }
        }
        return state.withLock { state in
            let last = state.uses[id]
            let isRecent = last.map {
                $0 <= now && now < $0.advanced(bySeconds: Self.useSeconds)
            }
            guard isRecent != true else { return false }
            state.uses[id] = now
            state.uses = state.uses.filter { state.tokens[$0.key] != nil }
            state.hasNews = true
            defer { state.isWriting = true }
            return !state.isWriting
        }
    }

    /// Nil when all is written, and the next one is to write.
    private func nextToWrite() -> [String: Timestamp]? {
        state.withLock { state in
            state.isWriting = state.hasNews
            state.hasNews = false
            return state.isWriting ? state.uses : nil
        }
    }
}
