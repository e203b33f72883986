package import SnapshotModel

/// What a command asks of the service that knows the participants: one step of a round.
package struct RoundRequest: Hashable, Sendable, Codable {
    package enum Step: String, Sendable, Codable {
        case begin, prepare, freeze, thaw, conclude, reverted
    }

    package var version = RoundRequest.newestVersion
    package var step: Step
    /// To begin with: what is done, with which volumes, and what these go back to.
    package var kind: RoundKind?
    package var volumes: [String]?
    package var snapshots: [Int64]?
    /// Whether it has succeeded.
    package var succeeded: Bool?
    package var consistency: Consistency?

    package static let newestVersion = 1

    package init(_ step: Step) { self.step = step }

    /// What makes it impossible; nil when it may be right.
    var flaw: String? {
        guard version <= Self.newestVersion else { return "it is of a newer version" }
        guard (volumes ?? []).count <= TextBounds.setVolumeCount,
            (snapshots ?? []).count <= TextBounds.setVolumeCount
        else { return "it names too many volumes" }
        return step == .begin && (kind == nil || volumes == nil)
            ? "it does not say what begins" : nil
    }
}

/// What the service answers.
package struct RoundReply: Hashable, Sendable, Codable {
    /// What it answers; nil when that was not understood.
    package var step: RoundRequest.Step?
    /// To begin with, and whenever more are known since.
    package var participants: [Participant]?
    package var outcomes: [ParticipantOutcome]?
    package var problem: Problem?

    package init(
        participants: [Participant]? = nil, outcomes: [ParticipantOutcome]? = nil,
        problem: Problem? = nil
    ) {
        self.participants = participants
        self.outcomes = outcomes
        self.problem = problem
    }
}

/// The socket between commands and the service, in the state folder, and the bounds of what is said on it.
package enum RoundWire {
    package static let socketName = "participants.sock"
    static let requestBytes = 4 << 20
    static let replyBytes = 4 << 20
    static let connections = 64
    /// How long a connection may be taken and be greeted with its first request, in milliseconds.
    static let greetingMilliseconds = 5_000
    /// How long a command may take from one step to the next while nothing is at rest, in milliseconds: a VM's
    /// memory may be written meanwhile.
    static let idleMilliseconds = 3_600_000
    /// How much longer a client waits than the service may take, in milliseconds.
    static let marginMilliseconds = 2_000
}
