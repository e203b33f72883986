import SnapshotModel
import Testing

@testable import Scheduler

/// Against what systemd says: see `Fixtures/make-fixtures.py`.
@Suite struct CalendarExpressionTests {
    struct Case: Decodable {
        var expression: String
        /// nil when systemd refuses it.
        var normalized: String?
        var next: [Elapses]?

        struct Elapses: Decodable {
            var after: Int
            var slots: [Int]
        }
    }

    /// Where we differ from systemd: a last word that is spelled like a zone is one, and the caller
    /// finds out whether it exists.
    static let lenient = ["daily daily", "5:00 daily"]

    /// systemd 252 skips the first slot of the next hour or day where a repetition would go on past
    /// its end: minute 63 becomes minute 3 of the next hour, and the search goes on from there.
    static let skippedBySystemd = [
        "*:0/7": [1_782_864_000], "0/5:30": [1_782_865_800, 1_830_299_400],
        "*:*:0/59.5": [1_782_864_000],
    ]

    static func cases() throws -> [Case] {
        try ZoneFixtures.cases("calendar-cases.json", of: Case.self)
    }

    @Test func atLeast200ExpressionsAreCompared() throws {
        let cases = try Self.cases()
        #expect(cases.count >= 200)
        #expect(cases.compactMap(\.next).joined().map(\.slots.count).reduce(0, +) >= 1000)
    }

    @Test func normalFormsAndRefusalsAreThoseOfSystemd() throws {
        for example in try Self.cases() where !Self.lenient.contains(example.expression) {
            let expression = try? CalendarExpression(parsing: example.expression)
            #expect(
                expression?.description == example.normalized, "\"\(example.expression)\"")
            if let normalized = example.normalized {
                let again = try CalendarExpression(parsing: normalized)
                #expect(again == expression, "\"\(normalized)\"")
            }
        }
    }

    @Test func slotsAreThoseOfSystemd() throws {
        for example in try Self.cases() {
            guard let elapses = example.next else { continue }
            let expression = try CalendarExpression(parsing: example.expression)
            let zone = try zone(of: expression)
            for elapse in elapses {
                var slots: [Timestamp] = []
                while slots.count < 4,
                    let slot = expression.next(
                        after: slots.last ?? Timestamp(second: elapse.after), in: zone)
                {
                    slots.append(slot)
                }
                let skipped = Self.skippedBySystemd[example.expression] ?? []
                let expected = (elapse.slots + skipped.filter { slots.map(\.second).contains($0) })
                    .sorted().prefix(4)
                #expect(slots.map(\.second) == Array(expected), "\"\(example.expression)\"")
                for (slot, later) in zip(slots, slots.dropFirst()) {
                    let between = Timestamp(stored: later.stored - 1)
                    #expect(expression.latest(notAfter: slot, in: zone) == slot)
                    #expect(expression.latest(notAfter: between, in: zone) == slot)
                }
            }
        }
    }

    private func zone(of expression: CalendarExpression) throws -> TimeZoneRules {
        switch expression.zoneName {
        case nil, "UTC": .utc
        // A zone whose file is not worth having here: nothing changes near the cases.
        case "Pacific/Auckland":
            try TimeZoneRules(
                name: "Pacific/Auckland",
                contents: ZoneFixtures.file(rule: "NZST-12NZDT,M9.5.0,M4.1.0/3"))
        case let name?: try ZoneFixtures.rules(name)
        }
    }

    // MARK: - Errors

    @Test(arguments: [
        ("dayly", 0, "dayly is neither a weekday nor a shorthand such as daily"),
        ("Mon..Mun 9:00", 5, "Mun is neither a weekday nor a shorthand such as daily"),
        ("Fri..Mon", 5, "a range of weekdays ends before it begins"),
        ("*:*/15", 2, "write 0/15 for every 15th value, not */15"),
        ("2026-13-01", 5, "the month is 1 to 12, a range ascends, and a repetition fits into it"),
        ("9", 1, "a colon, as in 09:00, is missing"),
        ("25:00", 0, "the hour is 0 to 23, a range ascends, and a repetition fits into it"),
        ("09:x", 3, "a number or * is expected, not x"), ("9:00 ", 4, nil), ("", 0, nil),
    ])
    func errorsSayWhatAndWhere(text: String, offset: Int, message: String?) {
        #expect {
            try CalendarExpression(parsing: text)
        } throws: { error in
            let error = error as? SyntaxError
            return error?.offset == offset && (message == nil || error?.message == message)
        }
    }

    @Test func longTextsAreRefused() {
        let long = "*:" + [String](repeating: "1", count: 241).joined(separator: ",")
        #expect(throws: SyntaxError.self) { try CalendarExpression(parsing: long) }
        #expect(throws: Never.self) { try CalendarExpression(parsing: String(long.dropLast(2))) }
        let spaces = "Mon" + String(repeating: " ", count: 5000) + "9:00"
        #expect(throws: SyntaxError.self) { try CalendarExpression(parsing: spaces) }
    }

    @Test(arguments: [
        ("daily Europe/Vienna", "Europe/Vienna"), ("*:0 utc", "UTC"), ("Mon CET", "CET"),
        ("daily Etc/GMT+5", "Etc/GMT+5"), ("9:00 America/Argentina/Buenos_Aires", nil),
    ])
    func theZoneIsNamedForTheCaller(text: String, zone: String?) throws {
        let name = try CalendarExpression(parsing: text).zoneName
        #expect(name == zone ?? "America/Argentina/Buenos_Aires")
    }

    @Test(arguments: ["daily ../x", "daily Europe//Vienna", "daily /etc", "daily Europe/"])
    func namesThatAreNoZonesAreRefused(text: String) {
        #expect(throws: SyntaxError.self) { try CalendarExpression(parsing: text) }
    }

    // MARK: - The ends of time

    @Test func thereAreNoSlotsBefore1970AndAfter2500() throws {
        let yearly = try CalendarExpression(parsing: "yearly")
        let first = try #require(Timestamp("1970-01-01"))
        let last = try #require(Timestamp("2500-01-01"))
        #expect(yearly.next(after: Timestamp.first, in: .utc) == first)
        #expect(yearly.latest(notAfter: Timestamp.last, in: .utc) == last)
        #expect(yearly.next(after: last, in: .utc) == nil)
        #expect(yearly.next(after: Timestamp.last, in: .utc) == nil)
        let before = Timestamp(stored: -1)
        #expect(yearly.latest(notAfter: before, in: .utc) == nil)
        #expect(yearly.latest(notAfter: Timestamp.first, in: .utc) == nil)
    }

    @Test func aDateThatNeverComesHasNoSlot() throws {
        let never = try CalendarExpression(parsing: "*-02-30")
        for zone in [TimeZoneRules.utc, try ZoneFixtures.rules("Europe/Vienna")] {
            #expect(never.next(after: Timestamp(second: 0), in: zone) == nil)
            #expect(never.latest(notAfter: Timestamp(second: 1 << 32), in: zone) == nil)
        }
    }
}
