import Foundation
import SnapshotModel
import Testing

@testable import Scheduler

@Suite("Rates by the hour of the day follow the clocks on the wall")
struct DailyRatesTests {
    /// A moment by its time in UTC.
    private func moment(_ text: String) throws -> Timestamp {
        let date = try #require(ISO8601DateFormatter().date(from: text))
        return Timestamp(second: Int(date.timeIntervalSince1970))
    }

    private static func rates() throws -> DailyRates {
        DailyRates(
            20,
            [
                RateHours(try DayHours(parsing: "08:00-18:00"), bytesPerSecond: 5),
                RateHours(try DayHours(parsing: "17:00-19:30"), bytesPerSecond: 7),
                RateHours(try DayHours(parsing: "23:00-02:30"), bytesPerSecond: nil),
            ])
    }

    @Test(
        "each moment has the rate of its part of the day, the lowest of several, or else the standard",
        arguments: [
            ("07:59:59", 20), ("08:00:00", 5), ("17:30:00", 5), ("17:59:59", 5), ("18:00:00", 7),
            ("19:29:59", 7), ("19:30:00", 20), ("22:59:59", 20), ("23:00:00", nil),
            ("00:00:00", nil), ("02:29:59", nil), ("02:30:00", 20),
        ] as [(String, Int?)])
    func table(time: String, rate: Int?) throws {
        #expect(
            try Self.rates().rate(at: try moment("2026-11-30T\(time)Z"), in: .utc) == rate,
            "\(time)")
    }

    @Test(
        "summer time moves the hours with the clocks: an hour that is skipped or comes twice does no harm",
        arguments: [
            // Vienna: +1, from 2026-03-29T01:00Z +2, from 2026-10-25T01:00Z +1 again.
            ("2026-03-28T06:59:59Z", 20), ("2026-03-28T07:00:00Z", 5),
            ("2026-03-29T00:59:59Z", nil),
            ("2026-03-29T01:00:00Z", 20), ("2026-03-29T06:00:00Z", 5), ("2026-03-29T16:00:00Z", 7),
            ("2026-10-25T00:29:59Z", nil), ("2026-10-25T00:30:00Z", 20),
            ("2026-10-25T01:00:00Z", nil),
            ("2026-10-25T01:30:00Z", 20), ("2026-10-25T06:59:59Z", 20), ("2026-10-25T07:00:00Z", 5),
        ] as [(String, Int?)])
    func summerTime(time: String, rate: Int?) throws {
        let zone = try ZoneFixtures.rules("Europe/Vienna")
        #expect(try Self.rates().rate(at: try moment(time), in: zone) == rate, "\(time)")
    }

    @Test("hours are read as they are written, and nothing else is")
    func texts() throws {
        for text in ["08:00-18:00", "22:30-06:00", "00:00-24:00"] {
            #expect(try DayHours(parsing: text).description == text)
        }
        for text in [
            "", "8-18", "08:00", "08:00-08:00", "24:00-08:00", "08:00-00:00", "08:60-09:00",
            "25:00-26:00",
            "08:00-18:00-", "0٨:00-18:00", "+8:00-18:00", "-1:00-18:00",
        ] {
            #expect(throws: SyntaxError.self, "\(text)") { try DayHours(parsing: text) }
        }
    }

    @Test("without any rate nothing is limited")
    func unlimited() throws {
        #expect(DailyRates(nil).isUnlimited && !DailyRates(1).isUnlimited)
        #expect(try !Self.rates().isUnlimited)
    }
}
