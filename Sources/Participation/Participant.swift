/// A program that has asked to be told before snapshots and reverts.
package struct Participant: Hashable, Sendable, Codable {
    /// What it wants to be told of.
    package enum Mode: String, Sendable, Codable, CaseIterable {
        case snapshot
        case revert
        case all
    }

    /// Never another one's, as long as the service runs.
    package var id: Int64
    /// The program, as people know it: `PostgreSQL 15/main`.
    package var who: String
    /// What it does then.
    package var why: String
    /// The volumes that it writes to; empty for all.
    package var scope: [String]
    package var mode: Mode
    /// How long it may take to prepare, in milliseconds.
    package var prepareMilliseconds: Int
    /// How long it may take to come to rest, in milliseconds.
    package var freezeMilliseconds: Int

    package init(
        id: Int64, who: String, why: String = "", scope: [String] = [], mode: Mode = .snapshot,
        prepareMilliseconds: Int = ParticipantLimits.prepareMilliseconds,
        freezeMilliseconds: Int = ParticipantLimits.freezeMilliseconds
    ) {
        self.id = id
        self.who = who
        self.why = why
        self.scope = scope
        self.mode = mode
        self.prepareMilliseconds = prepareMilliseconds
        self.freezeMilliseconds = freezeMilliseconds
    }

    /// Which of some volumes it writes to.
    package func volumes(among names: [String]) -> [String] {
        scope.isEmpty ? names : names.filter(scope.contains)
    }

    /// Whether it is to be told of something that is done with these volumes.
    package func isConcerned(by kind: RoundKind, of names: [String]) -> Bool {
        let isTold =
            switch (mode, kind) {
            case (.all, _), (.snapshot, .snapshot), (.revert, .revert): true
            case (.snapshot, .revert), (.revert, .snapshot): false
            }
        return isTold && !volumes(among: names).isEmpty
    }
}

/// What participants are told of.
package enum RoundKind: String, Sendable, Codable {
    case snapshot
    case revert
}

/// How long a participant is waited for, and how much it may say.
package enum ParticipantLimits {
    /// For `Prepare` and `PrepareRevert`, at most and unless it wants less, in milliseconds.
    package static let prepareMilliseconds = 30_000
    /// For `Freeze`, unless it wants something else, in milliseconds.
    package static let freezeMilliseconds = 5_000
    /// From the first `Freeze` to the last `Thaw`, whatever happens, in milliseconds: programs and their users wait
    /// meanwhile.
    package static let ceilingMilliseconds = 10_000
    /// For the answer to `Thaw` and `Reverted`, which nothing waits for any more, in milliseconds.
    package static let thawMilliseconds = 5_000
    /// How much later than the ceiling the watchdog acts, in milliseconds.
    package static let watchdogMarginMilliseconds = 500
    /// What an answer may take beyond its time until it is given up here too, in milliseconds.
    package static let graceMilliseconds = 250

    /// All are asked at once, and a bus keeps at most 128 calls of one connection that are not answered yet: some are
    /// left for polkit, and for those who never answer.
    package static let count = 100
    /// How many calls in a row one may leave without an answer, and all together, until it is not asked any more.
    package static let silences = 3
    package static let silencesOfAll = 12
    package static let nameBytes = 200
    package static let reasonScalars = 500
    package static let volumeCount = 256
}
