import Scheduler
import SnapshotModel
import Testing

@Suite("Until when a snapshot is kept")
struct ExpiryTests {
    /// Plays the future slot by slot and notes at which each snapshot goes.
    static func ends(
        of subjects: [RetentionSubject], _ scope: RetentionScope, steps: Int
    ) -> [SnapshotID: Timestamp] {
        var left = subjects
        var ends: [SnapshotID: Timestamp] = [:]
        var at = subjects[subjects.count - 1].takenAt
        for step in 0..<steps {
            guard let slot = scope.nextSlot?(at) else { break }
            at = slot
            left.append(snapshot(Int64(100_000 + step), slot))
            let plan = PrunePlan(of: left, scopes: [scope], now: slot) { _ in 0 }
            for subject in plan.removed { ends[subject.id] = slot }
            left = plan.subjects.indices.filter(plan.isKept).map { plan.subjects[$0] }
        }
        return ends
    }

    static func every(_ seconds: Int64) -> (Timestamp) -> Timestamp? {
        { moment in
            let slot = (moment.secondsSinceEpoch / seconds + 1) * seconds
            return Timestamp(clampingSeconds: slot)
        }
    }

    @Test(
        "the moment told is the one at which it goes, when the future is played",
        arguments: [
            "UTC", "Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata",
        ])
    func exact(name: String) throws {
        let zone = try zone(name)
        for seed in 1...12 as ClosedRange<UInt64> {
            var random = SeededRandom(seed: seed)
            let interval = Int64([1800, 3600, 3 * 3600].randomElement(using: &random)!)
            let rules: [KeepRule] = [
                .last(.atMost(random.number(1...9))),
                .within(
                    CalendarSpan(months: random.number(0...1), minutes: random.number(1...9999))),
                .buckets(
                    BucketSpan(.hour, multiple: random.number(1...5)),
                    .atMost(random.number(1...40))),
                .buckets(.daily, .atMost(random.number(1...20))),
                .buckets(.weekly, .atMost(random.number(1...4))),
                .withinBuckets(
                    WithinBucketRule(.daily, within: CalendarSpan(days: random.number(1...20)))),
            ].shuffled(using: &random)
            let prefersNewest = random.chance(30)
            let chosen = rules.prefix(random.number(1...3)).filter {
                guard prefersNewest else { return true }
                guard case .buckets = $0 else { return false }
                return true
            }
            let policy = RetentionPolicy(
                rules: Array(chosen), prefer: prefersNewest ? .newest : .oldest, zone: zone)
            let scope = RetentionScope(
                name: "standard", policy: policy, nextSlot: Self.every(interval))
            // Up to ten days before the clocks change, so that the future holds the change.
            let start = ["2026-10-15", "2026-03-20", "2026-03-01", "2026-09-28"]
                .randomElement(using: &random)!
            let all = snapshots(at: slots(every: interval, from: start, count: 100))
            let plan = PrunePlan(of: all, scopes: [scope], now: all[99].takenAt) { _ in 0 }
            let ends = Self.ends(of: all, scope, steps: Int(45 * 86_400 / interval))
            for decision in plan.decisions where decision.isKept {
                let told = decision.expiry.moment
                let end = ends[decision.subject.id]
                // What outlives the play was told to.
                guard end != nil || told == nil || told! <= scope.nextSlot!(all[99].takenAt)! else {
                    continue
                }
                #expect(told == end, "seed \(seed) \(decision.subject.takenAt) \(policy.rules)")
            }
        }
    }

    @Test("for good, until something happens, or not to be foreseen")
    func others() throws {
        func expiry(
            _ rules: KeepRule..., slots: Bool = true, change: (inout RetentionSubject) -> Void
        ) -> Expiry {
            var all = snapshots("2026-11-20", "2026-11-21")
            change(&all[0])
            let scope = RetentionScope(
                name: "standard", policy: RetentionPolicy(rules: rules),
                nextSlot: slots ? Self.every(900) : nil)
            let plan = PrunePlan(of: all, scopes: [scope], now: all[1].takenAt) { _ in 0 }
            return plan.decisions[0].expiry
        }
        let last = KeepRule.last(.atMost(2))
        let grid = KeepRule.grid(GridRule(try Grid(parsing: "5x1d")))
        #expect(expiry(last) { _ in } == .at(moment("2026-11-21T00:15")))
        #expect(expiry(last, slots: false) { _ in } == .unforeseeable)
        #expect(expiry(.buckets(.daily, .all)) { _ in } == .never)
        #expect(expiry(grid) { _ in } == .unforeseeable)
        // The grid may want it later, even if it is another rule that keeps it now.
        #expect(expiry(last, grid) { _ in } == .unforeseeable)
        #expect(expiry(.notMirrored(NotMirroredRule())) { $0.isMirrored = false } == .event)
        #expect(expiry(.notMirrored(NotMirroredRule()), last) { $0.isMirrored = false } == .event)
        #expect(expiry(last, .tags(TagRule(["a"]))) { $0.tags = ["a"] } == .never)
        #expect(expiry(.within(CalendarSpan(months: 119_988))) { _ in } == .never)
    }

    @Test("the ends of time have an expiry like any other moment")
    func endsOfTime() {
        let all = snapshots(at: [Timestamp(stored: .min + 1), moment("2026-01-01")])
        let rule = KeepRule.within(CalendarSpan(months: 506 * 12 + 1))
        let scope = RetentionScope(
            name: "standard", policy: RetentionPolicy(rule), nextSlot: Self.every(900))
        let plan = PrunePlan(of: all, scopes: [scope], now: all[1].takenAt) { _ in 0 }
        // 506 years and a month after 1677-09-21T00:12:43.
        #expect(plan.decisions[0].expiry == .at(moment("2183-10-21T00:15")))
    }

    @Test("a schedule that has come to its end lets nothing go")
    func endOfSchedule() {
        let scope = RetentionScope(
            name: "standard", policy: RetentionPolicy(.last(.atMost(2))), nextSlot: { _ in nil })
        let all = snapshots("2026-11-20", "2026-11-21")
        let plan = PrunePlan(of: all, scopes: [scope], now: all[1].takenAt) { _ in 0 }
        #expect(plan.decisions.allSatisfy { $0.expiry == .never })
    }
}
