internal import SnapshotModel
internal import StoreFormat

/// Where the scrub of a volume stands, and what the last one found: a file in the state folder.
struct ScrubRecord: Hashable, Sendable, Codable {
    var version = ScrubRecord.newestVersion
    /// The volume's UUID.
    var volume: String
    /// The scrub that has not ended; nil when none has begun since the last one.
    var running: Pass?
    /// The last one that ended.
    var last: Pass?

    static let newestVersion = 1

    /// One scrub.
    struct Pass: Hashable, Sendable, Codable {
        var begunAt: Timestamp
        var endedAt: Timestamp?
        /// Where it goes on; nil at the beginning.
        var position: ScrubPosition?
        var counts = ScrubCounts()
        /// What there was to read when it began, in bytes.
        var totalBytes = 0
        /// How many places are damaged.
        var damageCount = 0
        /// The first of what was found, damage before all else.
        var findings: [Finding] = []

        enum CodingKeys: String, CodingKey {
            case begunAt = "begun_at"
            case endedAt = "ended_at"
            case position, counts
            case totalBytes = "total_bytes"
            case damageCount = "damaged"
            case findings
        }
    }

    init(volume: String) { self.volume = volume }

    /// What makes it no record of a volume; nil when it is one.
    func flaw(volume: String) -> String? {
        guard self.volume == volume else { return "it is another volume's" }
        let passes = [running, last].compactMap(\.self)
        guard passes.allSatisfy(\.isPossible) else { return "its numbers cannot be right" }
        return nil
    }
}

extension ScrubRecord.Pass {
    /// More are counted, and not kept.
    private static let findingsMaximum = 32
    private static let rangesMaximum = 64
    private static let snapshotsMaximum = 256

    mutating func add(_ finding: Finding) {
        if finding.severity == .damage { damageCount = damageCount.addingClamped(1) }
        var short = finding
        short.ranges = finding.ranges.map { Array($0.prefix(Self.rangesMaximum)) }
        short.snapshots = finding.snapshots.map { Array($0.prefix(Self.snapshotsMaximum)) }
        Self.keep(short, in: &findings, atMost: Self.findingsMaximum)
    }

    /// Adds a finding as long as there is room; damage takes the room of what is none.
    static func keep(_ finding: Finding, in findings: inout [Finding], atMost limit: Int) {
        if findings.count >= limit {
            guard finding.severity == .damage,
                let place = findings.lastIndex(where: { $0.severity != .damage })
            else { return }
            findings.remove(at: place)
        }
        findings.append(finding)
    }

    var isPossible: Bool {
        guard totalBytes >= 0, damageCount >= 0, counts.bytes >= 0,
            findings.count <= Self.findingsMaximum
        else { return false }
        guard let position else { return true }
        return SnapshotOrdinal(checking: position.ordinal.rawValue) != nil && position.window >= 0
            && position.place >= 0
    }
}
