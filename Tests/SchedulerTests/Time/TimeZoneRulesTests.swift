import SnapshotModel
import Testing

@testable import Scheduler

@Suite struct TimeZoneRulesTests {
    static let zones = [
        "Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata",
        "Asia/Kathmandu", "Europe/Dublin", "America/Nuuk", "America/Havana", "Pacific/Apia",
        "Africa/Casablanca",
    ]
    static let rules = ZoneOracle.all.keys.filter { !zones.contains($0) }.sorted()

    @Test(arguments: zones)
    func offsetsAreThoseThatTheSystemKnowsFrom1890To2500(zone: String) throws {
        let rules = try ZoneFixtures.rules(zone)
        let oracle = try ZoneOracle.named(zone)
        #expect(oracle.changes.count > 2)
        for (index, change) in oracle.changes.enumerated().dropFirst() {
            for second in [change.moment - 1, change.moment, change.moment + 1_000_000] {
                let next =
                    index + 1 < oracle.changes.count ? oracle.changes[index + 1].moment : .max
                guard second < next else { continue }
                #expect(
                    rules.offsetSeconds(at: Timestamp(second: second))
                        == oracle.offset(at: second), "at \(second)")
            }
        }
    }

    @Test(arguments: rules)
    func rulesOfEachFormAreFollowed(rule: String) throws {
        let rules = try TimeZoneRules(name: "x", contents: ZoneFixtures.file(rule: rule))
        let oracle = try ZoneOracle.named(rule)
        // The system knows none before 1970.
        var random = SlotRandom(seed: 1)
        for change in oracle.changes.dropFirst() where change.moment > 366 * 86_400 {
            let moments = [
                change.moment - 1, change.moment,
                change.moment + .random(in: 0..<5000, using: &random),
            ]
            for second in moments {
                #expect(
                    rules.offsetSeconds(at: Timestamp(second: second))
                        == oracle.offset(at: second), "at \(second)")
            }
        }
    }

    /// RFC 9636, section 3.3.1, has this as its example of summer time all year.
    @Test func summerTimeAllYearHasNoGap() throws {
        let rules = try TimeZoneRules(
            name: "x", contents: ZoneFixtures.file(rule: "XXX3EDT4,0/0,J365/23"))
        #expect(rules.transitions.isEmpty)
        #expect(rules.offsets == [-4 * 3600])
    }

    @Test func theLastTypeHoldsWhereThereIsNoRule() throws {
        let rules = try TimeZoneRules(name: "x", contents: ZoneFixtures.file(rule: ""))
        #expect(rules.offsets == [0])
    }

    @Test func version1IsReadByItself() throws {
        let file = try ZoneFixtures.contents("Europe/Vienna")
        // The first block of a file of a later version is a file of version 1.
        let rules = try TimeZoneRules(
            name: "x", contents: Array(file[..<4]) + [0] + Array(file[5...]))
        let summer = try #require(Timestamp("2026-07-01T00:00:00Z"))
        #expect(rules.offsetSeconds(at: summer) == 7200)
        let early = try #require(Timestamp("1899-01-01T00:00:00Z"))
        #expect(rules.transitions.allSatisfy { abs($0) <= 1 << 31 })
        #expect(rules.offsetSeconds(at: early) == 3921)
    }

    @Test func wallClocksShowTheDateAndTheTime() throws {
        let rules = try ZoneFixtures.rules("America/New_York")
        let clock = try rules.wallClock(at: #require(Timestamp("2026-01-01T04:59:59.999Z")))
        #expect(clock.date == CivilDate(year: 2025, month: 12, day: 31))
        #expect((clock.hour, clock.minute, clock.second) == (23, 59, 59))
        #expect(WallClock(secondsSinceEpoch: clock.secondsSinceEpoch) == clock)
    }

    @Test func theEndsOfTimeHaveAnOffset() throws {
        let rules = try ZoneFixtures.rules("Europe/Vienna")
        #expect(rules.offsetSeconds(at: Timestamp.first) == 3921)
        #expect(rules.offsetSeconds(at: Timestamp.last) == 7200)
        #expect(rules.wallClock(at: Timestamp.first).date.year == 1677)
        #expect(TimeZoneRules.utc.wallClock(at: Timestamp.last).date.year == 2538)
    }

    // MARK: - Moments

    @Test(arguments: zones)
    func momentsAreAllThatShowTheTime(zone: String) throws {
        let rules = try ZoneFixtures.rules(zone)
        let oracle = try ZoneOracle.named(zone)
        var random = SlotRandom(seed: 2)
        for change in oracle.changes.dropFirst() {
            for _ in 0..<20 {
                let near = change.moment + .random(in: -90_000...90_000, using: &random)
                let clock = near + oracle.offset(at: near - .random(in: 0...90_000, using: &random))
                // By trying each offset that the zone has around then.
                let offsets = oracle.offsets(from: near - 400_000, to: near + 400_000)
                let expected = offsets.map { clock - $0 }
                    .filter { $0 + oracle.offset(at: $0) == clock }.sorted()
                switch rules.moments(of: WallClock(secondsSinceEpoch: Int64(clock))) {
                case .once(let moment): #expect([moment.second] == expected)
                case .twice(let first, let second):
                    #expect([first.second, second.second] == expected)
                case .skipped(let transition):
                    #expect(expected.isEmpty)
                    let second = transition.second
                    #expect(second - 1 + oracle.offset(at: second - 1) < clock)
                    #expect(second + oracle.offset(at: second) > clock)
                }
            }
        }
    }

    @Test func aSkippedAndARepeatedHourAreToldApart() throws {
        let rules = try ZoneFixtures.rules("Europe/Vienna")
        func moments(_ text: String) throws -> TimeZoneRules.Moments {
            let seconds = try #require(Timestamp(text)).secondsSinceEpoch
            return rules.moments(of: WallClock(secondsSinceEpoch: seconds))
        }
        let jump = try #require(Timestamp("2026-03-29T01:00:00Z"))
        #expect(try moments("2026-03-29T01:59:59Z") == .once(jump.advanced(bySeconds: -1)))
        #expect(try moments("2026-03-29T02:00:00Z") == .skipped(transition: jump))
        #expect(try moments("2026-03-29T02:59:59Z") == .skipped(transition: jump))
        #expect(try moments("2026-03-29T03:00:00Z") == .once(jump))
        let back = try #require(Timestamp("2026-10-25T01:00:00Z"))
        let hourBefore = back.advanced(bySeconds: -3600)
        #expect(try moments("2026-10-25T02:00:00Z") == .twice(first: hourBefore, second: back))
        #expect(try moments("2026-10-25T03:00:00Z") == .once(back.advanced(bySeconds: 3600)))
    }
}
