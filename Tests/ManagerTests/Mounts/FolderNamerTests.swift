import Settings
import SnapshotModel
import Testing

@testable import Manager

@Suite("Names of the folders in a mount of all snapshots")
struct FolderNamerTests {
    private func subject(
        _ id: Int64, _ time: String, _ name: String? = nil
    ) throws
        -> FolderNamer.Subject
    {
        .init(
            id: SnapshotID(rawValue: id), takenAt: try #require(Timestamp(time + "Z")), name: name)
    }

    private func zone() throws -> LocalZone {
        let files = TimeZoneFiles(environment: ["TZ": "CET-1CEST,M3.5.0,M10.5.0/3"])
        return .rules(try files.systemZone().zone)
    }

    @Test(
        "they tell the time in the zone that is wanted, and the snapshot's name",
        arguments: [
            (FolderNames.local, "2026-11-28T12:45:00 before", "2026-07-01T12:00:09"),
            (.utc, "2026-11-28T11:45:00Z before", "2026-07-01T10:00:09Z"),
            (.gmt, "@GMT-2026.11.28-11.45.00", "@GMT-2026.07.01-10.00.09"),
        ])
    func forms(names: FolderNames, first: String, second: String) throws {
        var namer = FolderNamer(names, zone: try zone())
        let given = namer.update([
            try subject(1, "2026-11-28T11:45:00.7", "before"),
            try subject(2, "2026-07-01T10:00:09"),
        ])
        #expect(given.sorted { $0.key < $1.key }.map(\.value) == [first, second])
    }

    @Test(
        "two of one second, or of an hour that comes twice, are told apart, and keep their names",
        arguments: FolderNames.allCases)
    func unique(names: FolderNames) throws {
        var namer = FolderNamer(names, zone: try zone())
        let all = [
            try subject(1, "2026-10-25T00:30:00.1"), try subject(2, "2026-10-25T00:30:00.2"),
            try subject(3, "2026-10-25T00:30:01"), try subject(4, "2026-10-25T01:30:00"),
        ]
        let given = namer.update(all)
        #expect(Set(given.values).count == 4)
        // The first one goes; the others are called as they were.
        let left = namer.update(Array(all.dropFirst()) + [try subject(5, "2026-10-25T00:30:00.3")])
        for id in Int64(2)...4 {
            #expect(left[SnapshotID(rawValue: id)] == given[SnapshotID(rawValue: id)])
        }
        #expect(Set(left.values).count == 4)
    }

    @Test("for Samba, the later of two gets the next second that is free")
    func nextSecond() throws {
        var namer = FolderNamer(.gmt, zone: .utc)
        let given = namer.update([
            try subject(1, "2026-11-28T23:59:59.1"), try subject(2, "2026-11-28T23:59:59.2"),
            try subject(3, "2026-11-29T00:00:00"),
        ])
        #expect(
            given.sorted { $0.key < $1.key }.map(\.value) == [
                "@GMT-2026.11.28-23.59.59", "@GMT-2026.11.29-00.00.00", "@GMT-2026.11.29-00.00.01",
            ])
    }

    @Test("a snapshot that gets another name has it in its folder's, too")
    func renamed() throws {
        var namer = FolderNamer(.utc, zone: .utc)
        _ = namer.update([try subject(1, "2026-11-28T11:45:00")])
        let given = namer.update([try subject(1, "2026-11-28T11:45:00", "kept")])
        #expect(Array(given.values) == ["2026-11-28T11:45:00Z kept"])
    }

    @Test("at the end of time there is no next second, and names go on")
    func endOfTime() throws {
        var namer = FolderNamer(.gmt, zone: .utc)
        let last = Timestamp(clampingSeconds: .max)
        let given = namer.update(
            (1...3).map { .init(id: SnapshotID(rawValue: $0), takenAt: last, name: nil) })
        #expect(Set(given.values).count == 3)
    }
}
