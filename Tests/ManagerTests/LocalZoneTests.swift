import Settings
import SnapshotModel
import Testing

@testable import Manager

@Suite("The times that people write and read")
struct LocalZoneTests {
    private func zone() throws -> LocalZone {
        let files = TimeZoneFiles(environment: ["TZ": "CET-1CEST,M3.5.0,M10.5.0/3"])
        return .rules(try files.systemZone().zone)
    }

    @Test(
        "local times are read, also those that clocks skip or show twice, to the year 2500",
        arguments: [
            ("2026-07-01", "2026-06-30T22:00:00.000000000Z"),
            ("2026-01-01T12:30:01.5", "2026-01-01T11:30:01.500000000Z"),
            ("2026-01-01T12:30:01.5Z", "2026-01-01T12:30:01.500000000Z"),
            // The jump itself, and the first time.
            ("2026-03-29T02:30", "2026-03-29T01:00:00.000000000Z"),
            ("2026-10-25T02:30", "2026-10-25T00:30:00.000000000Z"),
            ("2400-07-01T02:00", "2400-07-01T00:00:00.000000000Z"),
        ])
    func moments(text: String, moment: String) throws {
        #expect(TimeText.moment(text, in: try zone())?.description == moment)
    }

    @Test("moments are shown as the zone's clocks do")
    func described() throws {
        let zone = try zone()
        let moment = try #require(Timestamp("2026-10-25T00:59:59.999"))
        #expect(TimeText.describe(moment, in: zone) == "2026-10-25 02:59:59")
        #expect(TimeText.describe(moment.advanced(bySeconds: 1), in: zone) == "2026-10-25 02:00:00")
        #expect(TimeText.describe(moment, in: .utc) == "2026-10-25 00:59:59")
    }
}
