import Scheduler
import SnapshotModel
import Testing

@Suite("Spans, buckets and grids, as they are written and read")
struct RetentionParserTests {
    @Test(
        "a calendar span is numbers with units, in any order",
        arguments: [
            ("6h", CalendarSpan(minutes: 360), "6h"),
            ("1y2m3d3h", CalendarSpan(months: 14, days: 3, minutes: 180), "1y2mo3d3h"),
            ("1y2mo3d3h", CalendarSpan(months: 14, days: 3, minutes: 180), "1y2mo3d3h"),
            ("1y1d1m", CalendarSpan(months: 13, days: 1), "1y1mo1d"),
            ("  2w 90min ", CalendarSpan(days: 14, minutes: 90), "14d1h30min"),
            ("9999y", CalendarSpan(months: 119_988), "9999y"),
            ("0d", CalendarSpan(), "0h"),
        ])
    func calendarSpans(text: String, span: CalendarSpan, written: String) throws {
        #expect(try CalendarSpan(parsing: text) == span)
        #expect(span.description == written)
        #expect(try CalendarSpan(parsing: written) == span)
    }

    @Test(
        "a span before a moment is UTC's, and days that a month lacks begin with the next one",
        arguments: [
            ("1d", "2026-03-29T12:00", "2026-03-28T12:00"),
            ("1m", "2026-03-28T23:59:59", "2026-02-28T23:59:59"),
            ("1m", "2026-03-29T00:00", "2026-03-01"), ("1m", "2026-03-31T23:00", "2026-03-01"),
            ("1m", "2026-04-01T00:00", "2026-03-01"), ("1y", "2028-02-29T06:00", "2027-03-01"),
            ("1y2m3d3h", "2016-01-18T12:02:03.5", "2014-11-15T09:02:03.5"),
            ("9999y", "2026-01-01", "1677-09-21T00:12:43.145224192"),
        ])
    func before(span: String, at: String, result: String) throws {
        #expect(try CalendarSpan(parsing: span).before(moment(at)) == moment(result))
    }

    @Test("a later moment never gives an earlier one, not even at the ends of time")
    func ascending() throws {
        let ends = [.min, .min + 1, .max - 1, .max].map(Timestamp.init(stored:))
        let days = slots(every: 10_000, from: "2027-12-20", count: 9000)
        for text in ["1min", "1m", "13m", "1y1d", "99999y99999d"] {
            let span = try CalendarSpan(parsing: text)
            let results = (ends[..<2] + days + ends[2...]).map(span.before)
            #expect(results == results.sorted(), "\(text)")
        }
    }

    @Test(
        "what is not a calendar span is refused, at the byte that is wrong",
        arguments: [
            ("", 0), ("h", 0), ("5", 1), ("5x", 1), ("1y5q", 3), ("1d2d", 2), ("-1d", 0),
            ("100000d", 0), ("1d ü", 3), ("99999999999999999999d", 0),
        ])
    func badCalendarSpans(text: String, offset: Int) {
        let error = #expect(throws: SyntaxError.self) { try CalendarSpan(parsing: text) }
        #expect(error?.offset == offset)
    }

    @Test(
        "buckets are a multiple and a unit",
        arguments: [
            ("15m", BucketSpan(.minute, multiple: 15), "15m"),
            ("2h", BucketSpan(.hour, multiple: 2), "2h"), ("h", .hourly, "hourly"),
            ("2 weeks", BucketSpan(.week, multiple: 2), "2 weeks"), ("day", .daily, "daily"),
            (" 3 months ", BucketSpan(.month, multiple: 3), "3 months"),
            ("1 quarter", .quarterly, "quarterly"),
            ("5y", BucketSpan(.year, multiple: 5), "5 years"),
        ])
    func buckets(text: String, span: BucketSpan, written: String) throws {
        #expect(try BucketSpan(parsing: text) == span)
        #expect(span.description == written)
    }

    @Test(
        "what is not a bucket is refused, at the byte that is wrong",
        arguments: [("", 0), ("0h", 0), ("15", 2), ("2 fortnights", 2), ("1h30m", 2), ("-1h", 0)])
    func badBuckets(text: String, offset: Int) {
        let error = #expect(throws: SyntaxError.self) { try BucketSpan(parsing: text) }
        #expect(error?.offset == offset)
    }

    @Test(
        "a grid is read as zrepl reads it, and written as it is read",
        arguments: [
            "1x1h(keep=all) | 24x1h | 30x1d", "3x10m | 1x1h", "1x10m(keep=2)",
            // Shorter ones may follow those that keep all.
            "1x1d(keep=all) | 24x1h",
        ])
    func grids(text: String) throws {
        let grid = try Grid(parsing: text)
        #expect(grid.description == text)
        let tight = String(text.filter { $0 != " " })
        let wide = String(text.flatMap { "(=)|x".contains($0) ? " \($0) " : "\($0)" })
        #expect(try Grid(parsing: tight) == grid)
        #expect(try Grid(parsing: wide) == grid)
    }

    @Test(
        "what is not a grid is refused, at the byte that is wrong",
        arguments: [
            ("", 0), ("24", 2), ("0x1h", 0), ("1x", 2), ("1x0s", 2), ("1x1q", 3), ("1x1h |", 6),
            ("1x1h(keep=0)", 10), ("1x1h(keep=some)", 10), ("1x1h(hold=1)", 5),
            ("1x1h(keep=1", 11), ("1x1h(keep 1)", 10), ("1x1h) 2", 4), ("1x1d | 1x1h", 7),
            ("99999x4w", 0), ("1x99999w", 8), ("1x1h(keep=1)2", 12),
        ])
    func badGrids(text: String, offset: Int) {
        let error = #expect(throws: SyntaxError.self) { try Grid(parsing: text) }
        #expect(error?.offset == offset)
    }

    @Test("a pattern is checked when it is read", arguments: ["[", "(", "a**", "\\"])
    func badPatterns(text: String) {
        #expect(throws: SyntaxError.self) { try NamePattern(text) }
    }

    @Test(
        "patterns match anywhere unless anchored, and a missing name is an empty one",
        arguments: [
            ("^zrepl_", "zrepl_1", true), ("^zrepl_", "my-zrepl_1", false), ("ep", "zrepl", true),
            ("(?i)^AUTO", "auto-1", true), ("^\\d{4}-(?:01|02)$", "2026-02", true),
            ("^\\d{4}-(?:01|02)$", "2026-03", false), ("", nil, true), ("^$", nil, true),
            (".", nil, false), ("^u\\u0308?ber$", "u\u{308}ber", true),
        ] as [(String, String?, Bool)])
    func patterns(text: String, name: String?, matches: Bool) throws {
        let policy = RetentionPolicy(.names(NameRule(try NamePattern(text))))
        var subject = snapshot(1, moment("2026-01-01"))
        subject.name = name
        #expect(policy.survivors(of: [subject]).count == (matches ? 1 : 0))
    }
}
