import Scheduler
import SnapshotModel
import Testing

@Suite("What is kept, until when, and why")
struct PrunePlanTests {
    /// Keeps nothing but the newest one.
    static let strict = RetentionPolicy(.last(.atMost(1)))

    static func hourly(_ count: Int = 6) -> [RetentionSubject] {
        snapshots(at: slots(every: 3600, from: "2026-11-22T00:00", count: count))
    }

    @Test("no policy, an empty one and one of zeros keep everything")
    func emptyPolicies() throws {
        let all = Self.hourly()
        let zeros = RetentionPolicy(
            .last(.atMost(0)), .buckets(.daily, .atMost(0)), .within(CalendarSpan()),
            .withinBuckets(WithinBucketRule(.daily, within: CalendarSpan())), .tags(TagRule([])))
        for policy in [RetentionPolicy(), zeros] {
            #expect(policy.isEmpty)
            let plan = PrunePlan(policy, of: all)
            #expect(plan.removed.isEmpty)
            #expect(plan.decisions.allSatisfy { $0.reasons.last?.source == "no policy" })
            #expect(plan.decisions.allSatisfy { $0.expiry == .never })
        }
        let without = PrunePlan(of: all, scopes: [], now: all[5].takenAt) { _ in nil }
        #expect(without.removed.isEmpty)
        #expect(without.decisions[0].reasons.map(\.source) == ["no policy"])
    }

    @Test("one rule that keeps is enough; the newest stays although no rule keeps it")
    func union() {
        var all = Self.hourly()
        all[1].tags = ["keep", "tax"]
        let plan = PrunePlan(
            RetentionPolicy(.tags(TagRule(["tax"])), .tags(TagRule(["keep", "other"]))), of: all)
        #expect(plan.removedNumbers == [1, 3, 4, 5])
        #expect(plan.decisions[1].reasons.map(\.description) == ["tags(tax)"])
        #expect(plan.decisions[5].reasons.map(\.description) == ["newest"])
    }

    @Test("the newest is the last of the chain, also when the clock had been ahead")
    func newestOfChain() {
        let all = snapshots("2026-11-22T00:00", "2036-01-01", "2026-11-22T01:00")
        let plan = PrunePlan(Self.strict, of: all, now: moment("2026-11-22T01:00"))
        #expect(plan.removedNumbers == [1])
    }

    @Test("what is in use stays", arguments: RetentionSubject.Use.allCases)
    func uses(use: RetentionSubject.Use) {
        var all = Self.hourly()
        all[2].uses = [use]
        let plan = PrunePlan(Self.strict, of: all)
        #expect(plan.removedNumbers == [1, 2, 4, 5])
        #expect(plan.decisions[2].expiry == .event)
    }

    @Test("a hold keeps until it expires, and is named with its owner and reason")
    func holds() {
        var all = Self.hourly()
        let end = moment("2026-11-22T05:00")
        all[0].holds = [RetentionHold(owner: "ann", reason: "audit")]
        all[1].holds = [RetentionHold(owner: "bob", reason: "test", until: end)]
        let before = PrunePlan(Self.strict, of: all, now: end.advanced(bySeconds: -1))
        #expect(before.removedNumbers == [3, 4, 5])
        #expect(before.decisions[0].reasons.map(\.description) == ["hold: ann: audit"])
        #expect(before.decisions[0].expiry == .never)
        #expect(before.decisions[1].expiry == .at(end))
        #expect(PrunePlan(Self.strict, of: all, now: end).removedNumbers == [2, 3, 4, 5])
    }

    @Test("manual snapshots stay and do not count, unless the policy includes them")
    func manual() {
        var all = Self.hourly()
        all[3].kind = .manual
        all[5].kind = .manual
        var policy = RetentionPolicy(.last(.atMost(2)))
        let plan = PrunePlan(policy, of: all)
        #expect(plan.removedNumbers == [1, 2])
        #expect(plan.decisions[3].reasons.map(\.source) == ["manual"])
        #expect(plan.decisions[3].expiry == .never)
        policy.appliesToManual = true
        #expect(PrunePlan(policy, of: all).removedNumbers == [1, 2, 3, 4])
    }

    @Test("each scope counts its own: safety snapshots are not crowded out")
    func scopes() {
        var all = Self.hourly(8)
        for index in [0, 2, 4] { all[index].kind = .safety }
        let scopes = [
            RetentionScope(name: "standard", policy: RetentionPolicy(.last(.atMost(3)))),
            RetentionScope(name: "safety", policy: RetentionPolicy(.last(.atMost(2)))),
        ]
        let plan = PrunePlan(of: all, scopes: scopes, now: all[7].takenAt) {
            $0.kind == .safety ? 1 : 0
        }
        #expect(plan.removedNumbers == [1, 2, 4])
        #expect(plan.decisions[2].policy == "safety")
        #expect(plan.decisions[2].reasons.map(\.description) == ["last(2): #2 of 2"])
    }

    @Test("the future does no harm: spans count back from the newest that is not in it")
    func futureSnapshot() throws {
        let all = snapshots(
            "2026-11-22T00:00", "2026-11-22T01:00", "2026-11-22T02:00", "2040-01-01")
        let policy = RetentionPolicy(.within(try CalendarSpan(parsing: "90min")))
        let now = moment("2026-11-22T02:30")
        #expect(policy.survivors(of: all, now: now) == [2, 3, 4])
        #expect(policy.survivors(of: [all[3]], now: now) == [4])
    }

    @Test("reasons and refusals name rule, bucket and count")
    func texts() throws {
        let all = snapshots(at: slots(every: 3600, from: "2026-11-20T00:00", count: 60))
        let policy = RetentionPolicy(
            .last(.atMost(2)), .buckets(.hourly, .atMost(4)), .buckets(.daily, .atMost(2)),
            .buckets(BucketSpan(.week, multiple: 2), .all),
            .withinBuckets(WithinBucketRule(.daily, within: try CalendarSpan(parsing: "1d"))),
            .within(try CalendarSpan(parsing: "1h")), .names(NameRule(try NamePattern("^x"))),
            .grid(GridRule(try Grid(parsing: "1x1h(keep=all) | 2x1h"))))
        let plan = PrunePlan(policy, of: all)
        #expect(
            plan.decisions[48].reasons.map(\.description) == [
                "daily(2): 2026-11-22 (#1 of 2)", "within-daily(1d): 2026-11-22",
            ])
        #expect(
            plan.decisions[59].reasons.map(\.description) == [
                "newest", "last(2): #1 of 2", "hourly(4): 2026-11-22 11:00 (#1 of 4)",
                "within(1h): after 2026-11-22 10:00", "grid(1x1h(keep=all) | 2x1h): interval 1",
            ])
        #expect(
            plan.decisions[0].reasons.map(\.description) == ["2 weeks(all): 2026-W47 (#1)"])
        let refusals = plan.decisions[30].refusals
        #expect(
            refusals == [
                "last(2): 2 newer ones are kept", "hourly(4): 4 newer hours are kept",
                "daily(2): 2026-11-21 is kept by 25, its oldest",
                "2 weeks(all): 2026-W47 is kept by 1, its oldest",
                "within-daily(1d): 2026-11-21 is kept by 25, its oldest",
                "within(1h): taken 1h or more before the newest one",
                "names(^x): its name does not match",
                "grid(1x1h(keep=all) | 2x1h): older than the grid",
            ])
        #expect(!plan.decisions[30].isKept && plan.decisions[30].expiry == .event)
    }

    @Test("decisions come in the order of time, whatever order the snapshots come in")
    func order() {
        let all = Self.hourly()
        let plan = PrunePlan(Self.strict, of: all.reversed())
        #expect(plan.decisions.map(\.subject) == all)
        #expect(plan.removedNumbers == [1, 2, 3, 4, 5])
        #expect(PrunePlan(Self.strict, of: []).decisions.isEmpty)
    }
}
