import SnapshotModel
import Testing

@testable import Scheduler

@Suite struct DueTests {
    private func schedule(_ text: String, _ zone: String = "Europe/Vienna") throws -> Schedule {
        let timetable: Timetable =
            text.hasPrefix("every ")
            ? .every(try TimeSpan(parsing: String(text.dropFirst(6))))
            : .calendar(try CalendarExpression(parsing: text))
        return Schedule(name: "s", timetable: timetable, zone: try ZoneFixtures.rules(zone))
    }

    private func moment(_ text: String) throws -> Timestamp { try #require(Timestamp(text)) }

    // MARK: - In order

    @Test func aNewScheduleBeginsWithTheFirstSlotAfterItsBeginning() throws {
        let schedule = try schedule("every 15m")
        let beginning = try moment("2026-11-22T12:15:00Z")
        let next = try moment("2026-11-22T12:30:00Z")
        for now in [beginning, next.advanced(bySeconds: -1)] {
            #expect(
                schedule.due(served: [], since: beginning, at: now) == .notDue(next: next))
        }
        #expect(
            schedule.due(served: [], since: beginning, at: next)
                == .take(slot: next, missed: 0, disregarding: nil))
    }

    @Test func aServedSlotIsNotDueAgainHoweverOftenItIsAsked() throws {
        let schedule = try schedule("every 15m")
        let slot = try moment("2026-11-22T12:30:00Z")
        for seconds: Int64 in [0, 1, 60, 899] {
            let decision = schedule.due(
                served: [slot], since: slot.advanced(bySeconds: -5000),
                at: slot.advanced(bySeconds: seconds))
            #expect(decision == .notDue(next: slot.advanced(bySeconds: 900)))
        }
    }

    @Test func afterDowntimeOneSnapshotStandsForAllThatWereMissed() throws {
        let schedule = try schedule("every 15m")
        let last = try moment("2026-09-01T00:00:00Z")
        let now = try moment("2026-11-01T00:07:00Z")
        let slot = try moment("2026-11-01T00:00:00Z")
        #expect(
            schedule.due(served: [last], since: last, at: now)
                == .take(slot: slot, missed: 61 * 96 - 1, disregarding: nil))
        #expect(
            schedule.due(served: [last, slot], since: last, at: now)
                == .notDue(next: slot.advanced(bySeconds: 900)))
    }

    @Test func theCountOfMissedSlotsIsBounded() throws {
        let schedule = try schedule("*:*:*")
        let last = try moment("2020-01-01")
        let now = try moment("2026-01-01")
        #expect(
            schedule.due(served: [last], since: last, at: now)
                == .take(slot: now, missed: Schedule.mostMissed, disregarding: nil))
    }

    @Test func aCalendarThatIsOverIsNeverDueAgain() throws {
        let schedule = try schedule("2026-03-01 12:00")
        let beginning = try moment("2026-01-01")
        let slot = try moment("2026-03-01T11:00:00Z")
        let now = try moment("2030-01-01")
        #expect(
            schedule.due(served: [], since: beginning, at: now)
                == .take(slot: slot, missed: 0, disregarding: nil))
        #expect(schedule.due(served: [slot], since: beginning, at: now) == .notDue(next: nil))
        #expect(schedule.due(served: [], since: now, at: now) == .notDue(next: nil))
    }

    // MARK: - A wrong clock

    @Test func aClockSetBackTakesNothingUntilTheLastSlotHasPassed() throws {
        let schedule = try schedule("every 15m")
        let last = try moment("2026-11-22T12:00:00Z")
        for minutes: Int64 in [1, 15, 59, 24 * 60] {
            let decision = schedule.due(
                served: [last], since: last.advanced(bySeconds: -1_000_000),
                at: last.advanced(bySeconds: -60 * minutes))
            #expect(
                decision == .clockWentBack(reached: last, next: last.advanced(bySeconds: 900)))
        }
    }

    @Test func aSlotFurtherAheadThanTheScheduleExplainsIsDisregarded() throws {
        let schedule = try schedule("every 15m")
        let now = try moment("2026-11-22T12:07:00Z")
        let wrong = try moment("2031-01-01T00:00:00Z")
        let beginning = try moment("2026-01-01")
        let slot = try moment("2026-11-22T12:00:00Z")
        let next = try moment("2026-11-22T12:15:00Z")
        // Served before the clock went wrong: not again.
        #expect(
            schedule.due(served: [slot, wrong], since: beginning, at: now) == .notDue(next: next))
        // And no endless wait: the next one is taken, once.
        #expect(
            schedule.due(served: [slot, wrong], since: beginning, at: next)
                == .take(slot: next, missed: 0, disregarding: wrong))
        #expect(
            schedule.due(served: [next, slot, wrong], since: beginning, at: next)
                == .notDue(next: next.advanced(bySeconds: 900)))
        // Of those ahead, one that can be explained is waited for.
        let near = now.advanced(bySeconds: 3600)
        guard
            case .clockWentBack(near, _) = schedule.due(
                served: [wrong, near], since: beginning, at: now)
        else {
            Issue.record("the slot an hour ahead is not waited for")
            return
        }
    }

    @Test func aRareScheduleExplainsSlotsFurtherAhead() throws {
        let schedule = try schedule("monthly")
        let last = try moment("2026-11-30T23:00:00Z")
        let beginning = try moment("2020-01-01")
        // Two slots are further ahead than a day.
        guard
            case .clockWentBack(last, _) = schedule.due(
                served: [last], since: beginning, at: try moment("2026-10-20"))
        else {
            Issue.record("the slot in the month after next is not waited for")
            return
        }
        guard
            case .take(_, _, last) = schedule.due(
                served: [last], since: beginning, at: try moment("2026-07-20"))
        else {
            Issue.record("the slot five months ahead is waited for")
            return
        }
    }

    @Test func aBeginningInTheFutureIsNotWaitedForEndlessly() throws {
        let schedule = try schedule("every 15m")
        let now = try moment("2026-11-22T12:07:00Z")
        let wrong = try moment("2040-01-01")
        #expect(
            schedule.due(served: [], since: wrong, at: now)
                == .take(slot: try moment("2026-11-22T12:00:00Z"), missed: 0, disregarding: wrong))
    }

    @Test func aClockSetForwardIsOneCatchUp() throws {
        let schedule = try schedule("every 1h")
        let last = try moment("2026-11-22T12:00:00Z")
        let now = try moment("2026-11-24T12:30:00Z")
        let slot = try moment("2026-11-24T12:00:00Z")
        #expect(
            schedule.due(served: [last], since: last, at: now)
                == .take(slot: slot, missed: 47, disregarding: nil))
    }

    // MARK: - Properties

    static let texts = [
        "every 15m", "*:7/15", "hourly", "02:30", "Mon..Fri 01..03:0/20", "every 7m",
    ]

    /// Over the weekends on which clocks change.
    @Test(arguments: texts, ["Europe/Vienna", "America/New_York", "Australia/Lord_Howe"])
    func ticksEveryMinuteServeEverySlotOnce(text: String, zone: String) throws {
        let schedule = try schedule(text, zone)
        for change in try ZoneOracle.named(zone).changes.map(\.moment)
        where (1_767_225_600..<1_798_761_600).contains(change) {
            let (start, end) = (change - 3 * 86_400, change + 3 * 86_400)
            var served: [Timestamp] = []
            for second in stride(from: start, to: end, by: 60) {
                let now = Timestamp(second: second)
                guard
                    case .take(let slot, let missed, nil) = schedule.due(
                        served: served.suffix(1), since: Timestamp(second: start - 1), at: now)
                else { continue }
                #expect(missed == 0 && slot == now)
                served.append(slot)
            }
            #expect(
                served.map(\.second)
                    == YearTests.slots(
                        of: schedule.timetable, in: schedule.zone, from: start, to: end))
            #expect(!served.isEmpty)
        }
    }

    @Test(arguments: texts, [UInt64](1...5))
    func ticksAtRandomMomentsTakeTheLatestSlotAndCountTheRest(text: String, seed: UInt64) throws {
        let schedule = try schedule(text)
        var random = SlotRandom(seed: seed)
        // Over the change of October 25.
        let start = try moment("2026-10-20").second
        var (now, served, accounted) = (start, [Timestamp](), 0)
        for _ in 0..<2000 {
            now += Int.random(in: 0...Int.random(in: 0...20_000, using: &random), using: &random)
            let decision = schedule.due(
                served: served.suffix(1), since: Timestamp(second: start),
                at: Timestamp(second: now))
            guard case .take(let slot, let missed, nil) = decision else { continue }
            #expect(slot > served.last ?? Timestamp(second: start))
            #expect(slot.second <= now)
            served.append(slot)
            accounted += missed + 1
        }
        let slots = YearTests.slots(
            of: schedule.timetable, in: schedule.zone, from: start + 1, to: now + 1)
        #expect(served.last?.second == slots.last)
        #expect(accounted == slots.count)
    }

    /// The clock jumps back and forth by seconds to years; with all slots that were served in hand,
    /// none is taken twice, and a schedule is never silent for longer than it may.
    @Test(arguments: [UInt64](1...10)) func aRestlessClockMakesNoDoubles(seed: UInt64) throws {
        let schedule = try schedule("every 15m")
        var random = SlotRandom(seed: seed)
        let start = try moment("2026-06-01").second
        var now = start + 400 * 86_400
        var served: [Timestamp] = []
        for _ in 0..<3000 {
            now += Int.random(in: 0...1200, using: &random)
            if Int.random(in: 0..<50, using: &random) == 0 {
                let farthest = [60, 3600, 86_400, 300 * 86_400].randomElement(using: &random) ?? 0
                now += Int.random(in: -farthest...farthest, using: &random)
                now = max(now, start)
            }
            let moment = Timestamp(second: now)
            switch schedule.due(served: served, since: Timestamp(second: start), at: moment) {
            case .take(let slot, _, _):
                #expect(slot <= moment)
                #expect(!served.contains(slot))
                served.append(slot)
            case .clockWentBack(let reached, _):
                #expect(reached > moment && reached.second <= now + 86_400)
            case .notDue(let next):
                #expect(next.map { $0 > moment } ?? false)
            }
        }
        #expect(served.count > 500)
    }
}
