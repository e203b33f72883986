import Scheduler
import SnapshotModel
import Testing

/// A naive answer to what a bucket is called, for comparison: texts of the wall clock's date, from
/// a table of ISO weeks that is counted off day by day.
struct BucketNames {
    private var weeks: [Int: String] = [:]

    init() {
        // 2018-01-01 was a Monday. A week belongs to the year that has its Thursday.
        let monday = Int(moment("2018-01-01").secondsSinceEpoch / 86_400)
        var (year, number) = (2018, 0)
        for week in 0..<800 {
            let thursday = CivilDate(daysSinceEpoch: monday + week * 7 + 3)
            (year, number) = thursday.year == year ? (year, number + 1) : (thursday.year, 1)
            for day in 0..<7 { weeks[monday + week * 7 + day] = "\(year)w\(number)" }
        }
    }

    func name(_ kind: String, _ at: Timestamp, _ zone: TimeZoneRules) -> String {
        let offset = zone.offsetSeconds(at: at)
        let local = at.advanced(bySeconds: Int64(offset)).description
        switch kind {
        case "15m":
            let quarter = number(local, at: 14) / 15
            return "\(local.prefix(13)) \(quarter) \(offset)"
        case "hourly": return "\(local.prefix(13)) \(offset)"
        case "2h": return "\(local.prefix(10)) \(number(local, at: 11) / 2)"
        case "daily": return String(local.prefix(10))
        case "weekly":
            let date = moment(String(local.prefix(10)))
            return weeks[Int(date.secondsSinceEpoch / 86_400), default: "?"]
        case "monthly": return String(local.prefix(7))
        case "quarterly":
            return "\(local.prefix(4)) \((number(local, at: 5) - 1) / 3)"
        default: return String(local.prefix(4))
        }
    }

    private func number(_ text: String, at place: Int) -> Int {
        Int(text.dropFirst(place).prefix(2)) ?? -1
    }

    static let spans: [(String, BucketSpan)] = [
        ("15m", BucketSpan(.minute, multiple: 15)), ("hourly", .hourly),
        ("2h", BucketSpan(.hour, multiple: 2)), ("daily", .daily), ("weekly", .weekly),
        ("monthly", .monthly), ("quarterly", .quarterly), ("yearly", .yearly),
    ]
}

@Suite("Buckets of the calendar")
struct BucketTests {
    @Test(
        "on the days around a clock change every real hour has its own bucket, days have one",
        arguments: [
            ("Europe/Vienna", "2026-10-24T10:00", 25), ("Europe/Vienna", "2026-03-28T11:00", 23),
            ("America/New_York", "2026-10-31T16:00", 25),
            ("America/New_York", "2026-03-07T17:00", 23),
            // By half an hour: the repeated half is a bucket of its own, the skipped one is none.
            ("Australia/Lord_Howe", "2026-04-04T01:00", 25),
            ("Australia/Lord_Howe", "2026-10-03T01:30", 24),
            ("Asia/Kolkata", "2026-10-24T06:30", 24),
        ])
    func clockChanges(name: String, start: String, hours: Int) throws {
        let zone = try zone(name)
        // Three days from a local noon, of which the middle one has the change.
        let all = snapshots(at: slots(every: 900, from: start, count: 4 * 96))
        let noon = BucketNames().name("daily", all[0].takenAt.advanced(bySeconds: 86_400), zone)
        let day = all.filter { BucketNames().name("daily", $0.takenAt, zone) == noon }
        let policy = RetentionPolicy(.buckets(.hourly, .all), zone: zone)
        #expect(policy.survivors(of: day).count == hours)
        let quarters = RetentionPolicy(
            .buckets(BucketSpan(.minute, multiple: 15), .all), zone: zone)
        #expect(quarters.survivors(of: day).count == day.count)
        let daily = RetentionPolicy(.buckets(.daily, .all), zone: zone)
        #expect(daily.survivors(of: day) == [day[0].id.rawValue])
        // restic's way: an hour that is shown twice is one; and the oldest of all is kept, too.
        let restic = RetentionPolicy(.buckets(.hourly, .all), prefer: .newest, zone: zone)
        #expect(restic.survivors(of: day).count == min(hours, 24) + 1)
    }

    @Test("an hour that comes twice is told apart in words")
    func repeatedHour() throws {
        let plan = PrunePlan(
            RetentionPolicy(.buckets(.hourly, .all), zone: try zone("Europe/Vienna")),
            of: snapshots("2026-10-25T00:10", "2026-10-25T01:10", "2026-10-25T02:10"))
        #expect(
            plan.decisions.map { $0.reasons.last?.description } == [
                "hourly(all): 2026-10-25 02:00 +02:00 (#3)",
                "hourly(all): 2026-10-25 02:00 +01:00 (#2)",
                "hourly(all): 2026-10-25 03:00 (#1)",
            ])
    }

    @Test("the leap day is a day of its own and of February")
    func leapDay() {
        let all = snapshots("2028-02-28T12:00", "2028-02-29T12:00", "2028-03-01T12:00")
        #expect(RetentionPolicy(.buckets(.daily, .all)).survivors(of: all) == [1, 2, 3])
        #expect(RetentionPolicy(.buckets(.monthly, .all)).survivors(of: all) == [1, 3])
    }

    @Test("ISO week 53 goes on in January, and week 1 may begin in December")
    func weeks() {
        let plan = PrunePlan(
            RetentionPolicy(.buckets(.weekly, .all)),
            of: snapshots(
                "2026-12-27T12:00", "2026-12-28", "2027-01-03T23:59:59", "2027-01-04",
                "2029-12-31", "2030-01-06"))
        // The last one goes as soon as it is not the newest any more.
        #expect(plan.removedNumbers == [3])
        #expect(
            plan.decisions.compactMap(\.reasons.last?.detail) == [
                "2026-W52 (#4)", "2026-W53 (#3)", "2027-W01 (#2)", "2030-W01 (#1)", "",
            ])
    }

    @Test(
        "multiples are aligned: minutes and hours to midnight, weeks to Mondays, months to January",
        arguments: [
            ("7m", "2026-11-22T00:06", "2026-11-22T00:07", "2026-11-22T00:13:59"),
            ("5h", "2026-11-21T23:59", "2026-11-22T00:00", "2026-11-22T04:59"),
            ("2 weeks", "2026-11-29T12:00", "2026-11-30T00:00", "2026-12-13T23:59"),
            ("3 months", "2026-09-30", "2026-10-01", "2026-12-31"),
            ("quarter", "2026-09-30", "2026-10-01", "2026-12-31"),
            ("5 years", "2024-12-31", "2025-01-01", "2029-12-31"),
        ])
    func multiples(span: String, before: String, first: String, last: String) throws {
        let rule = BucketRule(try BucketSpan(parsing: span), .all)
        let all = snapshots(before, first, last)
        #expect(RetentionPolicy(.buckets(rule)).survivors(of: all) == [1, 2])
    }

    @Test("a day that the clock shows once more after midnight stays one day")
    func backOverMidnight() throws {
        // As in St. John's until 2011: a minute after midnight, back by an hour.
        let rule = "NST3:30NDT2:30,M3.2.0/0:01,M11.1.0/0:01"
        let zone = try TimeZoneRules(name: "x", contents: ZoneFixtures.file(rule: rule))
        let policy = RetentionPolicy(.buckets(.daily, .all), zone: zone)
        // Sunday 00:00:30, Saturday 23:30 once more, Sunday 00:15.
        let all = snapshots("2026-11-01T02:30:30", "2026-11-01T03:00", "2026-11-01T03:45")
        let scope = RetentionScope(
            name: "standard", policy: policy, nextSlot: ExpiryTests.every(900))
        let plan = PrunePlan(of: all, scopes: [scope], now: all[2].takenAt) { _ in 0 }
        #expect(
            plan.decisions.map(\.reasons.last?.description) == [
                "daily(all): 2026-11-01 (#1)", "daily(all): 2026-10-31 (#2)", "newest",
            ])
        let counted = RetentionScope(
            name: "standard", policy: RetentionPolicy(.buckets(.daily, .atMost(1)), zone: zone),
            nextSlot: ExpiryTests.every(900))
        // The bucket of the day to come begins at Monday 00:00, 03:30 UTC.
        let early = PrunePlan(of: [all[0]], scopes: [counted], now: all[0].takenAt) { _ in 0 }
        #expect(early.decisions[0].reasons.last?.expiry == .at(moment("2026-11-02T03:30")))
        let late = PrunePlan(of: [all[1]], scopes: [counted], now: all[1].takenAt) { _ in 0 }
        #expect(late.decisions[0].reasons.last?.expiry == .at(moment("2026-11-01T03:30")))
    }

    @Test(
        "buckets are those of the wall clock, by names that are made another way",
        arguments: [
            "UTC", "Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata",
        ])
    func sameAsNames(name: String) throws {
        let zone = try zone(name)
        let names = BucketNames()
        var random = SeededRandom(seed: 7)
        var at = moment("2019-12-20")
        var moments: [Timestamp] = []
        while at < moment("2029-01-10") {
            at = at.advanced(bySeconds: Int64(random.number(60...200_000)))
            moments.append(at)
        }
        let all = snapshots(at: moments)
        for (kind, span) in BucketNames.spans {
            let kept = RetentionPolicy(.buckets(span, .all), zone: zone).survivors(of: all)
            var seen: Set<String> = []
            let expected = all.filter { seen.insert(names.name(kind, $0.takenAt, zone)).inserted }
            #expect(kept == expected.map(\.id.rawValue), "\(kind)")
        }
    }
}
