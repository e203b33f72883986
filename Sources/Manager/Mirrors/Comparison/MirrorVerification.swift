package import SnapshotModel

/// One of the two sites of a mirror.
package enum MirrorSide: String, Hashable, Sendable, CaseIterable {
    /// The volume here.
    case source
    /// Its copy at the other site.
    case target
}

/// Why a range that differs is not repaired.
package enum MirrorLeftReason: String, Hashable, Sendable, CaseIterable {
    /// No seal says what it should be there: it lies in what the volume reads as, or in what is not sealed yet.
    case unproven
    /// It is what was sealed there.
    case sound
    /// What the other side has of it is not what was sealed there.
    case contradicted
    /// What the other side has of it is not what was sealed where it would be written.
    case other

    /// As people read it.
    package var words: String {
        switch self {
        case .unproven: "no seal says what it should be"
        case .sound: "it is what was sealed"
        case .contradicted:
            "the other side's own seal says that what it has is damaged, or it has it from elsewhere"
        case .other: "what the other side has is not what was sealed"
        }
    }
}

/// What a repair has done about what differs, or would do.
package struct MirrorRepairReport: Hashable, Sendable {
    /// The side that is written to.
    package var side: MirrorSide
    package var isDryRun: Bool
    /// What is now what was sealed, ascending.
    package var mended: [Range<Int>] = []
    /// What still differs, ascending.
    package var left: [(Range<Int>, MirrorLeftReason)] {
        get { zip(leftRanges, leftReasons).map { ($0, $1) } }
        set { (leftRanges, leftReasons) = (newValue.map(\.0), newValue.map(\.1)) }
    }
    private var leftRanges: [Range<Int>] = []
    private var leftReasons: [MirrorLeftReason] = []

    init(_ side: MirrorSide, isDryRun: Bool) {
        self.side = side
        self.isDryRun = isDryRun
    }

    package var mendedBytes: Int { mended.map(\.count).clampedSum }
    package var leftBytes: Int { leftRanges.map(\.count).clampedSum }
    /// Whether both sides are the same now.
    package var isDone: Bool { !isDryRun && leftRanges.isEmpty }
}

/// What `mirror verify` has found.
package struct MirrorVerification: Hashable, Sendable {
    package var mirror: String
    package var volume: String
    package var target: String
    /// The snapshot that was compared: what it has here, there, and everywhere.
    package var snapshot: SnapshotID
    package var targetID: SnapshotID
    package var uuid: String
    /// The bytes of the snapshot.
    package var comparedBytes: Int
    /// Where it differs, ascending.
    package var ranges: [Range<Int>]
    /// What of that is not what was sealed, here and there, ascending.
    package var damagedHere: [Range<Int>] = []
    package var damagedThere: [Range<Int>] = []
    /// Nil where nothing was to be repaired, or nothing differed.
    package var repair: MirrorRepairReport?
    package var milliseconds: Int64 = 0

    package var differingBytes: Int { ranges.map(\.count).clampedSum }
    /// Whether both were the same.
    package var isSame: Bool { ranges.isEmpty }
    /// Whether both are the same now.
    package var isSameNow: Bool { isSame || repair?.isDone == true }
}

extension MirrorRepairReport: JSONConvertible {
    package var json: JSONValue {
        [
            "side": JSONValue(side.rawValue), "dry_run": JSONValue(isDryRun),
            "mended_bytes": JSONValue(mendedBytes), "mended": MirrorVerification.json(mended),
            "left_bytes": JSONValue(leftBytes),
            "left": .array(
                left.map { range, reason in
                    [
                        "offset": JSONValue(range.lowerBound), "length": JSONValue(range.count),
                        "reason": JSONValue(reason.rawValue),
                    ]
                }),
        ]
    }
}

extension MirrorVerification: JSONConvertible {
    fileprivate static func json(_ ranges: [Range<Int>]) -> JSONValue {
        .array(
            ranges.map { ["offset": JSONValue($0.lowerBound), "length": JSONValue($0.count)] })
    }

    package var json: JSONValue {
        [
            "verify": [
                "name": JSONValue(mirror), "volume": JSONValue(volume), "target": JSONValue(target),
                "snapshot_id": JSONValue(snapshot), "target_id": JSONValue(targetID),
                "uuid": JSONValue(uuid), "same": JSONValue(isSame),
                "compared_bytes": JSONValue(comparedBytes),
                "differing_bytes": JSONValue(differingBytes), "ranges": Self.json(ranges),
                "damaged_here": Self.json(damagedHere), "damaged_there": Self.json(damagedThere),
                "repair": repair?.json ?? .null, "duration_ms": JSONValue(milliseconds),
            ]
        ]
    }
}
