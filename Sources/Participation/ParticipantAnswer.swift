package import SnapshotModel

/// What a participant is asked.
package enum ParticipantCall: Hashable, Sendable {
    /// Do what takes long: more comes soon.
    case prepare(volumes: [String])
    /// Come to rest, for so many milliseconds at most.
    case freeze(milliseconds: Int)
    /// Go on. Whether there is a snapshot.
    case thaw(succeeded: Bool)
    /// Let go of the volumes: they are about to be reverted.
    case prepareRevert(volumes: [String], snapshots: [Int64])
    /// Take the volumes up again. Whether they were reverted.
    case reverted(succeeded: Bool)
}

/// What it answers.
package enum ParticipantAnswer: Hashable, Sendable {
    case yes
    /// It does not want that, and says why.
    case veto(String)
    /// It wants to be asked again, in so many milliseconds.
    case retry(milliseconds: Int, String)
    /// It has failed, has gone, or has answered nothing that can be understood.
    case failed(String)
    /// No answer came from it: it may not even have been asked.
    case silent(String)

    /// Why it is not a yes; nil when it is one.
    package var reason: String? {
        switch self {
        case .yes: nil
        case .veto(let reason): "it refused: \(reason)"
        case .retry(_, let reason): "it was not ready: \(reason)"
        case .failed(let reason), .silent(let reason): reason
        }
    }
}

/// What became of a participant in a round.
package struct ParticipantOutcome: Hashable, Sendable, Codable {
    package var id: Int64
    /// Why it cannot be relied upon; nil when it said yes to all so far, and stayed.
    package var reason: String?
    /// Whether it said no, and did not only fail.
    package var isVeto: Bool
    /// How long its last answer took, in microseconds; nil when none came, or that was not told.
    package var tookMicroseconds: Int64?

    package init(id: Int64, reason: String? = nil, isVeto: Bool = false) {
        self.id = id
        self.reason = reason
        self.isVeto = isVeto
    }
}

/// Reaches participants, wherever they are.
package protocol ParticipantCaller: Sendable {
    /// Asks one, and never waits. The answer comes once, by any thread, and may come too late.
    func call(
        _ id: Int64, _ call: ParticipantCall, cookie: Int64, milliseconds: Int,
        _ answered: @escaping @Sendable (ParticipantAnswer) -> Void)

    /// Has somebody else thaw them in so many milliseconds, unless ``settled(_:)`` comes before. For the same cookie,
    /// the latest counts.
    ///
    /// - Throws: when there is nobody else: then nothing must be frozen.
    func owe(_ cookie: Int64, _ ids: [Int64], milliseconds: Int) throws(Problem)

    /// All have answered that they were told to go on, or are gone.
    func settled(_ cookie: Int64)

    /// Tells everybody who listens, and never waits.
    func announce(_ news: ParticipantNews)
}

/// What everybody may hear.
package enum ParticipantNews: Hashable, Sendable {
    case prepareForSnapshot(Int64, isActive: Bool, volumes: [String])
    case snapshotTaken(Int64, snapshots: [Int64], consistency: Consistency)
    case prepareForRevert(Int64, isActive: Bool, volumes: [String])
    /// With the time, in microseconds since 1970.
    case reverted(volume: String, snapshot: Int64, microseconds: Int64)
}
