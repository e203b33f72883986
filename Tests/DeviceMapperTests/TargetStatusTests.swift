import DeviceMapper
import Testing

@Suite("Statuses of targets")
struct TargetStatusTests {
    static let statuses: [(String, SnapshotTargetStatus)] = [
        ("16/2048 16", .usage(allocatedSectors: 16, totalSectors: 2048, metadataSectors: 16)),
        ("0/0 0", .usage(allocatedSectors: 0, totalSectors: 0, metadataSectors: 0)),
        ("Invalid", .invalid), ("Merge failed", .mergeFailed), ("Overflow", .overflow),
        ("Unknown", .unknown), ("", .unknown), ("16/2048", .unknown), ("16 16", .unknown),
        ("-1/2 3", .unknown), ("1/2/3 4", .unknown), ("1/2 3 4", .unknown), ("a/b c", .unknown),
    ]

    @Test("a snapshot's words are understood, or unknown", arguments: statuses)
    func parses(details: String, expected: SnapshotTargetStatus) {
        #expect(SnapshotTargetStatus(details: details) == expected)
    }

    @Test("only snapshots have a snapshot's status", arguments: ["snapshot", "snapshot-merge"])
    func kinds(kind: String) {
        let status = TargetStatus(startSector: 0, sectorCount: 8, kind: kind, details: "Invalid")
        #expect(status.snapshot == .invalid)
        let other = TargetStatus(
            startSector: 0, sectorCount: 8, kind: "snapshot-origin", details: "Invalid")
        #expect(other.snapshot == nil)
    }

    @Test("a merge has ended when only metadata is left")
    func merged() {
        #expect(SnapshotTargetStatus(details: "16/2048 16").isMerged)
        #expect(!SnapshotTargetStatus(details: "24/2048 16").isMerged)
        #expect(!SnapshotTargetStatus(details: "Invalid").isMerged)
        #expect(!SnapshotTargetStatus(details: "Merge failed").isMerged)
    }
}
