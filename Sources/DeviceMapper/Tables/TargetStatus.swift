/// What one segment of a live table reports.
package struct TargetStatus: Hashable, Sendable {
    package var startSector: Int
    package var sectorCount: Int
    /// The kernel's name of the target.
    package var kind: String
    /// The target's own words.
    package var details: String

    package init(startSector: Int, sectorCount: Int, kind: String, details: String) {
        self.startSector = startSector
        self.sectorCount = sectorCount
        self.kind = kind
        self.details = details
    }

    /// What a `snapshot` or `snapshot-merge` says; nil for other targets.
    package var snapshot: SnapshotTargetStatus? {
        guard kind == "snapshot" || kind == "snapshot-merge" else { return nil }
        return SnapshotTargetStatus(details: details)
    }
}

/// The state of a `snapshot` or `snapshot-merge`.
package enum SnapshotTargetStatus: Hashable, Sendable {
    /// How many sectors of 512 bytes the exceptions and their metadata occupy, of how many, and
    /// how many of them are metadata. A merge has ended when all that is left is metadata.
    case usage(allocatedSectors: Int, totalSectors: Int, metadataSectors: Int)
    /// The snapshot is lost: its device was full, or failed.
    case invalid
    /// The merge stopped at an I/O error.
    case mergeFailed
    /// A write to the snapshot failed because its device is full; what it holds is whole.
    case overflow
    /// The kernel does not know, or said what we do not.
    case unknown

    /// Parses the words of `snapshot_status` in the kernel's dm-snap.c.
    package init(details: String) {
        switch details.split(separator: " ").joined(separator: " ") {
        case "Invalid": self = .invalid
        case "Merge failed": self = .mergeFailed
        case "Overflow": self = .overflow
        default: self = Self.usage(details) ?? .unknown
        }
    }

    private static func usage(_ details: String) -> SnapshotTargetStatus? {
        let words = details.split(separator: " ")
        guard words.count == 2 else { return nil }
        let numbers = words[0].split(separator: "/", omittingEmptySubsequences: false)
        guard numbers.count == 2, let allocated = Int(digits: numbers[0]),
            let total = Int(digits: numbers[1]), let metadata = Int(digits: words[1])
        else { return nil }
        return .usage(
            allocatedSectors: allocated, totalSectors: total, metadataSectors: metadata)
    }

    /// Whether a merge has nothing left to do.
    package var isMerged: Bool {
        guard case .usage(let allocated, _, let metadata) = self else { return false }
        return allocated == metadata
    }
}
