internal import FoundationEssentials
package import Scheduler
package import SnapshotModel

/// What a mirror does when its source was reverted.
package enum RevertBehaviour: String, Hashable, Sendable, Codable, CaseIterable {
    /// It stops, and goes on when somebody has said so.
    case ask
    /// It goes on.
    case follow
    /// It goes on, and the last copy from before the revert is held at the target until somebody releases it.
    case keep
}

/// The newest snapshot that both sides have: what the next transfer starts from.
package struct MirrorBase: Hashable, Sendable, Codable {
    /// What it is known by everywhere.
    package var uuid: String
    /// What it has at the source.
    package var id: SnapshotID
    package var ordinal: SnapshotOrdinal
    package var takenAt: Timestamp
    /// What it has at the target.
    package var targetID: SnapshotID
}

/// A mirror: what it is told, and how far it is. A file in the state folder.
package struct MirrorRecord: Hashable, Sendable, Codable {
    /// The one that it was read as; it is written as the lowest that knows what it says.
    var version = 1
    package var name: String
    /// The source's name and UUID: another volume of the name is not mirrored.
    package var volume: String
    package var volumeUUID: String
    /// As `MirrorTarget` writes it.
    package var target: String
    package var onRevert: RevertBehaviour
    /// Bytes per second; nil is without a limit.
    package var bytesPerSecondLimit: Int?
    /// Other limits for parts of the day; nil for none.
    package var limitHours: [RateHours]?
    /// The level of zstd; nil sends data as it is.
    package var compressionLevel: Int?
    /// The words of the program that connects; nil is `ssh`.
    package var connector: [String]?
    /// What is run at the target; nil is `snapmgr`.
    package var remoteProgram: String?
    package var addedAt: Timestamp

    /// The last revert of the source that the mirror has taken note of.
    package var acceptedRevert: RevertID?
    /// Nil until something was sent.
    package var base: MirrorBase?
    package var lastAttemptAt: Timestamp?
    package var lastSuccessAt: Timestamp?
    /// Failures since the last success, and what the last one was.
    package var failureCount = 0
    package var failure: Problem?
    /// Before this it is not tried again by itself.
    package var nextAttemptAt: Timestamp?
    /// How many runs in a row have found somebody else at work; nil after another one.
    var conflictCount: Int?

    /// What the target was when it was last asked.
    var peer: PeerStanding?
    /// Whether the target was the primary then, and the volume here a target: nothing is to be sent.
    var isReversed: Bool?
    /// That both are written to.
    package var split: MirrorRival?

    static let newestVersion = 3

    /// The lowest version that knows what the record says: one that does not know the limits by the hour would send faster.
    var lowestVersion: Int {
        guard limitHours == nil else { return 3 }
        return peer == nil && isReversed == nil && split == nil ? 1 : 2
    }

    /// So many parts of the day may have limits of their own.
    static let limitHoursMaximum = 24

    /// The rates by the hour of the day.
    package var rates: DailyRates { DailyRates(bytesPerSecondLimit, limitHours ?? []) }

    enum CodingKeys: String, CodingKey {
        case version, name, volume
        case volumeUUID = "volume_uuid"
        case target
        case onRevert = "on_revert"
        case bytesPerSecondLimit = "limit"
        case limitHours = "limit_hours"
        case compressionLevel = "zstd"
        case connector = "ssh"
        case remoteProgram = "remote_program"
        case addedAt = "added_at"
        case acceptedRevert = "accepted_revert"
        case base
        case lastAttemptAt = "last_attempt_at"
        case lastSuccessAt = "last_success_at"
        case failureCount = "failures"
        case failure
        case nextAttemptAt = "next_attempt_at"
        case conflictCount = "conflicts"
        case peer
        case isReversed = "reversed"
        case split = "split_brain"
    }

    /// Whose holds are its own.
    var owner: String { Self.owner(name) }

    /// Whose holds are those of the mirror of a name.
    static func owner(_ name: String) -> String { "mirror \(name)" }

    /// How long it rests after so many failures: a minute, then twice as long each time, up to an hour.
    static func restSeconds(failures: Int) -> Int64 {
        let minutes: Int64 = 1 << Int64(min(max(failures, 1), 7) - 1)
        return min(restMaximumSeconds, minutes * 60)
    }

    /// No rest is longer.
    static let restMaximumSeconds: Int64 = 3600
    /// A target that has all is asked again after so many seconds: it may be gone, or have been promoted.
    static let contactSeconds: Int64 = 3600
    /// So many runs in a row that find somebody else at work are a failure.
    static let conflictMaximum = 3

    /// What makes it no record of a mirror; nil when it is one.
    func flaw(name: String) -> String? {
        guard self.name == name else { return "it is that of mirror \(self.name)" }
        guard VolumeRecord.isValidName(volume), TextBounds.isUUID(volumeUUID) else {
            return "it names no volume"
        }
        guard (try? MirrorTarget(target)) != nil else { return "it names no target" }
        if let base, !TextBounds.isUUID(base.uuid) { return "its base is none" }
        guard bytesPerSecondLimit.map({ $0 > 0 }) ?? true,
            limitHours.map({ $0.count <= Self.limitHoursMaximum }) ?? true,
            limitHours?.allSatisfy({ $0.bytesPerSecond.map { $0 > 0 } ?? true }) ?? true,
            compressionLevel.map({ (1...19).contains($0) }) ?? true
        else { return "its numbers are none" }
        guard failureCount >= 0, conflictCount ?? 0 >= 0, connector?.isEmpty != true else {
            return "it is not whole"
        }
        return peer?.flaw ?? split?.flaw
    }
}
