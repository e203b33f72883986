package import Scheduler
package import SnapshotModel

/// What a prune did, or would do.
package struct PruneReport: Hashable, Sendable {
    package var volumes: [VolumePrune]
    package var isDryRun: Bool
    /// By which moment snapshots were old; nil when nothing was pruned by age.
    package var clock: ClockJudgement?

    package var freedBytes: Int { volumes.map(\.freedBytes).clampedSum }
    package var removedCount: Int { volumes.reduce(0) { $0 + $1.removed.count } }
}

/// One volume's part.
package struct VolumePrune: Hashable, Sendable {
    package var volume: String
    /// Oldest first.
    package var removed: [Removal]
    /// Everything that stays, oldest first; empty unless it was asked for.
    package var kept: [KeptSnapshot]
    package var keptCount: Int
    /// What the filesystem got back, in bytes; of a dry run, an estimate of it.
    package var freedBytes: Int
    /// By how much the free space of the store is below its floor, before anything goes.
    package var missingBytes: Int
    /// Why not everything that was to go has gone.
    package var failure: Problem?

    init(volume: String, missingBytes: Int = 0, failure: Problem? = nil) {
        self.volume = volume
        removed = []
        kept = []
        keptCount = 0
        freedBytes = 0
        self.missingBytes = missingBytes
        self.failure = failure
    }

    package struct Removal: Hashable, Sendable {
        package var id: SnapshotID
        package var takenAt: Timestamp
        /// What deleting it alone frees, in bytes.
        package var aloneBytes: Int
        /// What each rule says to it.
        package var reasons: [String]
        /// Whether the policy would keep it, and it goes for the sake of free space.
        package var isForSpace: Bool
    }

    package struct KeptSnapshot: Hashable, Sendable {
        package var id: SnapshotID
        package var takenAt: Timestamp
        package var retention: SnapshotRetention
    }
}

extension PruneReport: JSONConvertible {
    package var json: JSONValue {
        [
            "dry_run": JSONValue(isDryRun), "estimated": JSONValue(isDryRun),
            "removed": JSONValue(removedCount),
            "freed_bytes": JSONValue(freedBytes), "volumes": JSONValue(volumes),
            "clock_in_doubt": JSONValue(clock?.isInDoubt ?? false),
        ]
    }
}

extension VolumePrune: JSONConvertible {
    package var json: JSONValue {
        [
            "volume": JSONValue(volume), "freed_bytes": JSONValue(freedBytes),
            "kept": JSONValue(keptCount), "missing_bytes": JSONValue(missingBytes),
            "removed": .array(
                removed.map { removal in
                    [
                        "id": JSONValue(removal.id), "taken_at": JSONValue(removal.takenAt),
                        "alone_bytes": JSONValue(removal.aloneBytes),
                        "for_space": JSONValue(removal.isForSpace),
                        "reasons": JSONValue(removal.reasons),
                    ]
                }),
            "explained": .array(
                kept.map { stay in
                    [
                        "id": JSONValue(stay.id), "taken_at": JSONValue(stay.takenAt),
                        "kept_by": JSONValue(stay.retention.keptBy),
                        "reasons": JSONValue(stay.retention.reasons),
                        "policy": JSONValue(stay.retention.policy),
                        "expires_at": JSONValue(stay.retention.expiresAt),
                    ]
                }),
            "error": failure.map { JSONValue($0.message) } ?? .null,
        ]
    }
}
