internal import SnapshotModel

/// Browsers that have shown a token, and show a cookie since. They are kept in memory alone: a restart of the daemon ends
/// them. A pure value: the time, in nanoseconds on a clock that never steps back, comes with each call.
struct WebSessions: Sendable {
    struct Session: Hashable, Sendable {
        var tokenID: String
        var beganAt: Int64
        var usedAt: Int64
    }

    /// By the sum of the cookie.
    private var sessions: [String: Session] = [:]

    /// Without a request, and in all.
    static let idleSeconds: Int64 = 1_800
    static let longestSeconds: Int64 = 43_200
    /// At once, and of one token; the one that was used longest ago makes room.
    static let countMaximum = 1_024
    static let countOfToken = 32

    private static func nanoseconds(_ seconds: Int64) -> Int64 {
        seconds.multipliedClamped(by: 1_000_000_000)
    }

    private static func isAlive(_ session: Session, _ now: Int64) -> Bool {
        now < session.usedAt.addingClamped(nanoseconds(idleSeconds))
            && now < session.beganAt.addingClamped(nanoseconds(longestSeconds))
    }

    /// - Parameter sum: of the cookie.
    mutating func begin(_ sum: String, token: String, at now: Int64) {
        sessions = sessions.filter { Self.isAlive($0.value, now) }
        makeRoom(Self.countOfToken) { $0.tokenID == token }
        makeRoom(Self.countMaximum) { _ in true }
        sessions[sum] = Session(tokenID: token, beganAt: now, usedAt: now)
    }

    private mutating func makeRoom(_ maximum: Int, _ isOne: (Session) -> Bool) {
        let found = sessions.filter { isOne($0.value) }
        let excess = max(0, found.count.addingClamped(1).subtractingClamped(maximum))
        let oldest = found.sorted { $0.value.usedAt < $1.value.usedAt }.prefix(excess)
        for (sum, _) in oldest { sessions[sum] = nil }
    }

    /// The session of a cookie, which goes on by that; nil when there is none any more.
    mutating func use(_ sum: String, at now: Int64) -> Session? {
        guard var session = look(sum, at: now) else { return nil }
        session.usedAt = now
        sessions[sum] = session
        return session
    }

    /// The same without its going on by that.
    mutating func look(_ sum: String, at now: Int64) -> Session? {
        guard let session = sessions[sum] else { return nil }
        guard Self.isAlive(session, now) else {
            sessions[sum] = nil
            return nil
        }
        return session
    }

    mutating func end(_ sum: String) { sessions[sum] = nil }

    var count: Int { sessions.count }
}
