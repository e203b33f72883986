package import Monitoring
internal import Scheduler
package import SnapshotModel

/// How far a mirror is.
package struct MirrorSummary: Hashable, Sendable {
    package var record: MirrorRecord
    package var state: MirrorCondition
    /// Whole snapshots that the target lacks.
    package var missingCount: Int
    /// What was written between them, in bytes: an estimate of what is to be sent; nil when nothing was sent yet.
    package var missingBytes: Int?
    /// For how long the oldest of them has been there, in seconds; 0 when there is none.
    package var lagSeconds: Int64
    /// Whether a run is at work.
    package var isRunning: Bool
    /// Bytes per second at most at this hour; nil is without a limit.
    package var limitNow: Int?

    /// What the target was when it was last asked; nil when it has not said.
    package var targetRole: MirrorStanding.Role? { record.peer?.role }
    /// The number of its generation then.
    package var targetGeneration: Int { record.peer?.generation.number ?? 0 }
}

extension MirrorSummary: JSONConvertible {
    package var json: JSONValue {
        [
            "name": JSONValue(record.name), "volume": JSONValue(record.volume),
            "target": JSONValue(record.target), "state": JSONValue(state),
            "running": JSONValue(isRunning), "on_revert": JSONValue(record.onRevert),
            "limit": JSONValue(record.bytesPerSecondLimit),
            "limit_hours": .array(
                record.rates.parts.map {
                    [
                        "hours": JSONValue($0.hours.description),
                        "limit": JSONValue($0.bytesPerSecond),
                    ]
                }),
            "limit_now": JSONValue(limitNow),
            "base_id": JSONValue(record.base?.id), "base_uuid": JSONValue(record.base?.uuid),
            "base_taken_at": JSONValue(record.base?.takenAt),
            "target_id": JSONValue(record.base?.targetID),
            "lag_snapshots": JSONValue(missingCount), "lag_bytes": JSONValue(missingBytes),
            "lag_seconds": JSONValue(lagSeconds),
            "last_attempt_at": JSONValue(record.lastAttemptAt),
            "last_success_at": JSONValue(record.lastSuccessAt),
            "failures": JSONValue(record.failureCount),
            "failure": record.failure.map {
                ["code": JSONValue($0.code), "message": JSONValue($0.message)]
            } ?? .null,
            "next_attempt_at": JSONValue(record.nextAttemptAt),
            "target_role": record.peer.map { JSONValue($0.role) } ?? .null,
            "target_generation": JSONValue(record.peer?.generation.number),
            "target_since": JSONValue(record.peer?.since),
            "split_brain": record.split?.json ?? .null,
        ]
    }
}

/// What a run of a mirror has done, or would do.
package struct MirrorOutcome: Hashable, Sendable {
    package enum State: String, Sendable, CaseIterable {
        case sent
        /// Of a dry run.
        case planned
        /// There was nothing to send.
        case current
        /// Another run is at work on it, or it rests after a failure.
        case skipped
        /// The target was promoted, and the volume here is one now: nothing is to be sent.
        case reversed
        case failed
    }

    package var mirror: String
    package var volume: String
    package var target: String
    package var state: State
    /// The newest snapshot that both sides had; nil when the first one is sent as a whole.
    package var base: SnapshotID?
    package var snapshots: [SnapshotID] = []
    /// Bytes of data that were sent; of a dry run, that are looked at.
    package var dataBytes = 0
    package var streamBytes: Int?
    /// Where the first of the snapshots goes on that was cut before, in bytes of the volume; nil of one that begins.
    package var resumedAt: Int?
    package var milliseconds: Int64 = 0
    package var problem: Problem?
}

extension MirrorOutcome: JSONConvertible {
    package var json: JSONValue {
        [
            "name": JSONValue(mirror), "volume": JSONValue(volume), "target": JSONValue(target),
            "state": JSONValue(state), "base_id": JSONValue(base),
            "snapshots": .array(snapshots.map { JSONValue($0) }),
            "data_bytes": JSONValue(dataBytes), "stream_bytes": JSONValue(streamBytes),
            "resumed_at": JSONValue(resumedAt), "duration_ms": JSONValue(milliseconds),
            "error": problem.map {
                ["code": JSONValue($0.code), "message": JSONValue($0.message)]
            } ?? .null,
        ]
    }
}
