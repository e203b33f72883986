package import SnapshotModel
internal import System

/// The participants that there are. Any thread may call.
package final class ParticipantRegistry: Sendable {
    private struct State {
        var participants: [Int64: Participant] = [:]
        var lastID: Int64 = 0
    }

    private let state = Monitored(State(), .list)

    package init() {}

    /// Takes one up, and gives it its id.
    ///
    /// - Throws: `usage` when it says too much of itself; `refused` when there are too many.
    package func add(_ participant: Participant) throws(Problem) -> Participant {
        try Self.validate(participant)
        return try state.withLock { state throws(Problem) in
            guard state.participants.count < ParticipantLimits.count else {
                throw Problem(
                    .refused, "there are \(state.participants.count) participants already",
                    hint: "end some of them")
            }
            state.lastID = state.lastID.addingClamped(1)
            var added = participant
            added.id = state.lastID
            state.participants[added.id] = added
            return added
        }
    }

    package func remove(_ id: Int64) { state.withLock { $0.participants[id] = nil } }

    package func removeAll() { state.withLock { $0.participants = [:] } }

    package func contains(_ id: Int64) -> Bool {
        state.withLock { $0.participants[id] != nil }
    }

    /// In the order in which they came.
    package var all: [Participant] {
        state.withLock { Array($0.participants.values) }.sorted { $0.id < $1.id }
    }

    private static func validate(_ participant: Participant) throws(Problem) {
        let texts = [participant.who, participant.why] + participant.scope
        guard !participant.who.isEmpty,
            texts.allSatisfy({ $0.utf8.count <= ParticipantLimits.nameBytes }),
            participant.scope.count <= ParticipantLimits.volumeCount
        else {
            throw Problem(
                .usage,
                "a participant says who it is, in at most \(ParticipantLimits.nameBytes) bytes, "
                    + "and names at most \(ParticipantLimits.volumeCount) volumes")
        }
        guard (1...ParticipantLimits.prepareMilliseconds).contains(participant.prepareMilliseconds),
            (1...ParticipantLimits.ceilingMilliseconds).contains(participant.freezeMilliseconds)
        else {
            throw Problem(
                .usage,
                "a participant may take at most \(ParticipantLimits.prepareMilliseconds) ms to "
                    + "prepare and \(ParticipantLimits.ceilingMilliseconds) ms to freeze")
        }
    }
}
