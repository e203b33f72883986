import Scheduler
import SnapshotModel
import Testing

@Suite("A year of snapshots every 15 minutes")
struct YearOfTicksTests {
    /// What should be kept, in a slow and simple way: by the names of buckets.
    struct Oracle {
        let subjects: [RetentionSubject]
        private var names: [String: [String]] = [:]

        init(_ subjects: [RetentionSubject], zone: TimeZoneRules) {
            self.subjects = subjects
            let maker = BucketNames()
            for kind in counts.keys {
                names[kind] = subjects.map { maker.name(kind, $0.takenAt, zone) }
            }
        }

        /// Of the snapshots up to an index.
        func kept(through end: Int) -> Set<Int64> {
            var kept = Set(subjects[...end].suffix(8).map(\.id.rawValue))
            for (kind, count) in counts {
                var order: [String] = []
                var first: [String: Int64] = [:]
                for (subject, name) in zip(subjects[...end], names[kind, default: []])
                where first[name] == nil {
                    first[name] = subject.id.rawValue
                    order.append(name)
                }
                for name in order.suffix(count) { kept.formUnion(first[name].map { [$0] } ?? []) }
            }
            return kept
        }
    }

    static let counts = [
        "15m": 96, "hourly": 48, "2h": 24, "daily": 30, "weekly": 8, "monthly": 12,
        "quarterly": 8, "yearly": 5,
    ]

    static func policy(zone: TimeZoneRules) -> RetentionPolicy {
        let rules = BucketNames.spans.map { name, span in
            KeepRule.buckets(span, .atMost(counts[name, default: 0]))
        }
        return RetentionPolicy(rules: [.last(.atMost(8))] + rules, zone: zone)
    }

    @Test(
        "what is left is what a naive oracle says, at moments all over the year",
        arguments: [
            "Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata",
        ])
    func sameAsOracle(name: String) throws {
        let zone = try zone(name)
        let all = snapshots(at: slots(every: 900, from: "2027-06-01", count: 35_136))
        let policy = Self.policy(zone: zone)
        let oracle = Oracle(all, zone: zone)
        var random = SeededRandom(seed: 3)
        // Both clock changes, the leap day, the year's end, and chance.
        let special = [
            "2027-10-31T03:00", "2027-11-07T08:00", "2027-10-02T18:00", "2028-02-29T12:00",
            "2028-01-02T12:00", "2028-03-26T05:00", "2028-03-12T09:00", "2028-04-01T16:15",
        ].map(moment)
        let chosen = special.compactMap { at in all.firstIndex { $0.takenAt >= at } }
        for end in chosen + (0..<3).map({ _ in random.number(1...all.count - 1) }) + [all.count - 1]
        {
            let taken = Array(all[...end])
            let expected = oracle.kept(through: end)
            #expect(Set(policy.survivors(of: taken)) == expected, "\(taken[end].takenAt)")
        }
    }

    @Test("pruned at every tick, the counts are exact: none more, none less")
    func everyTick() throws {
        let zone = try zone("Europe/Vienna")
        let policy = Self.policy(zone: zone)
        var left: [RetentionSubject] = []
        let all = snapshots(at: slots(every: 900, from: "2027-06-01", count: 35_136))
        for subject in all {
            left.append(subject)
            left = PolicyEvaluation(policy, of: left, now: subject.takenAt).survivors
        }
        let expected = Oracle(all, zone: zone).kept(through: all.count - 1)
        #expect(Set(left.map(\.id.rawValue)) == expected)
        let plan = PrunePlan(policy, of: left)
        for (name, span) in BucketNames.spans {
            let rule = "\(KeepRule.buckets(span, .atMost(Self.counts[name, default: 0])))"
            let count = plan.decisions.count { $0.reasons.contains { $0.source == rule } }
            let available = ["monthly": 12, "quarterly": 5, "yearly": 2][name]
            #expect(count == available ?? Self.counts[name]!, "\(rule)")
        }
    }

    @Test("a host that is off for two months loses nothing below its counts")
    func hostOff() throws {
        let before = slots(every: 900, from: "2026-01-01", count: 5000)
        let after = slots(every: 900, from: "2026-05-01", count: 1)
        let rules: [KeepRule] = [
            .last(.atMost(8)), .within(try CalendarSpan(parsing: "1d")),
            .buckets(.hourly, .atMost(48)), .buckets(.daily, .atMost(30)),
            .buckets(.weekly, .atMost(6)),
        ]
        let policy = RetentionPolicy(rules: rules)
        let all = snapshots(at: before)
        let kept = policy.survivors(of: all)
        // Long afterwards, still without a new snapshot, everything is there.
        let late = moment("2026-05-01")
        #expect(policy.survivors(of: all, now: late) == kept)
        // The first new one takes the place of one in each rule that counts, and of no more.
        let more = all + [snapshot(5001, after[0])]
        for (rule, count) in [(rules[0], 8), (rules[2], 48), (rules[3], 30), (rules[4], 6)] {
            let survivors = RetentionPolicy(rules: [rule]).survivors(of: more)
            #expect(survivors.count == count, "\(rule)")
            let earlier = RetentionPolicy(rules: [rule]).survivors(of: all)
            #expect(survivors.dropLast() == earlier.dropFirst(), "\(rule)")
        }
    }

    @Test(
        "a count of n keeps n, not n-1 and not n+1",
        arguments: [1, 2, 7, 23, 24, 25])
    func counts(count: Int) {
        let all = snapshots(at: slots(every: 900, from: "2026-03-01", count: 9 * 96))
        for span in [BucketSpan.hourly, BucketSpan(.minute, multiple: 30)] {
            let policy = RetentionPolicy(.buckets(span, .atMost(count)))
            #expect(policy.survivors(of: all).count == count)
        }
        #expect(RetentionPolicy(.last(.atMost(count))).survivors(of: all).count == count)
        let daily = RetentionPolicy(.buckets(.daily, .atMost(count)))
        #expect(daily.survivors(of: all).count == min(count, 9))
    }
}
