import Scheduler
import SnapshotModel
import Testing

@Suite("Survivors do not depend on when one prunes")
struct PathIndependenceTests {
    /// Snapshots at irregular moments: bursts, gaps of months, a clock that is set back, tags,
    /// names, and mirrors that lag.
    static func history(_ random: inout SeededRandom) -> [RetentionSubject] {
        var at = moment("2026-01-01").advanced(bySeconds: Int64(random.number(0...40_000_000)))
        let usual = random.pick([60, 900, 3600, 40_000, 90_000])
        return (1...random.number(2...220)).map { number in
            switch random.number(1...20) {
            case 1: at = at.advanced(bySeconds: Int64(random.number(86_400...8_000_000)))
            case 2: at = at.advanced(bySeconds: -Int64(random.number(1...20_000)))
            case 3...5: at = at.advanced(bySeconds: Int64(random.number(1...120)))
            default: at = at.advanced(bySeconds: Int64(random.number(usual...usual * 2)))
            }
            var subject = snapshot(Int64(number), at)
            if random.chance(10) { subject.tags = ["keep"] }
            if random.chance(20) { subject.name = "before-\(number)" }
            subject.isMirrored = !random.chance(5)
            if random.chance(3) {
                let until = at.advanced(bySeconds: Int64(random.number(1...9_000_000)))
                subject.holds = [RetentionHold(owner: "me", reason: "why", until: until)]
            }
            return subject
        }
    }

    static func policy(
        _ random: inout SeededRandom, prefer: RetentionPolicy.Preference, zone: TimeZoneRules
    ) throws -> RetentionPolicy {
        var rules: [KeepRule] = []
        for _ in 1...random.number(1...4) {
            let count: KeepCount = random.chance(5) ? .all : .atMost(random.number(1...12))
            let span = CalendarSpan(
                months: random.chance(30) && prefer == .oldest ? random.number(1...3) : 0,
                days: random.number(0...9), minutes: random.number(1...3000))
            let bucket = random.pick([
                BucketSpan(.minute, multiple: 7), BucketSpan(.minute, multiple: 30), .hourly,
                BucketSpan(.hour, multiple: 5), .daily, BucketSpan(.day, multiple: 3), .weekly,
                .monthly, .quarterly, .yearly,
            ])
            switch random.number(1...10) {
            case 1: rules.append(.last(count))
            case 2: rules.append(.within(span))
            case 3...4 where prefer == .oldest:
                rules.append(.withinBuckets(WithinBucketRule(bucket, within: span)))
            case 5: rules.append(.tags(TagRule(["keep"])))
            case 6: rules.append(.notMirrored(NotMirroredRule()))
            case 7: rules.append(.last(LastRule(count, pattern: try NamePattern("^before-"))))
            default: rules.append(.buckets(bucket, count))
            }
        }
        return RetentionPolicy(rules: rules, prefer: prefer, zone: zone)
    }

    /// What is left when one prunes after those snapshots for which `isPruned` says so, and at the
    /// end.
    static func survivors(
        _ history: [RetentionSubject], _ policy: RetentionPolicy, when isPruned: (Int) -> Bool
    ) -> [Int64] {
        var left: [RetentionSubject] = []
        var now = history[0].takenAt
        for (index, subject) in history.enumerated() {
            left.append(subject)
            // The moment of pruning only moves forward; the newest snapshot is never in its future.
            now = max(now, subject.takenAt)
            guard isPruned(index) || index == history.count - 1 else { continue }
            let plan = PrunePlan(policy, of: left, now: now)
            left = plan.subjects.indices.filter(plan.isKept).map { plan.subjects[$0] }
        }
        return left.map(\.id.rawValue)
    }

    @Test(
        "at every snapshot, now and then, or once: the same is left",
        arguments: [
            "UTC", "Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata",
        ])
    func independent(name: String) throws {
        let zone = try zone(name)
        for seed in 1...200 as ClosedRange<UInt64> {
            var random = SeededRandom(seed: seed)
            let history = Self.history(&random)
            let prefer: RetentionPolicy.Preference = random.chance(70) ? .oldest : .newest
            let policy = try Self.policy(&random, prefer: prefer, zone: zone)
            guard !policy.isEmpty else { continue }
            #expect(policy.isPathIndependent)
            let once = Self.survivors(history, policy) { _ in false }
            let often = Self.survivors(history, policy) { _ in true }
            let every = random.number(2...9)
            let sometimes = Self.survivors(history, policy) { $0 % every == 0 }
            #expect(often == once, "seed \(seed): \(policy.rules)")
            #expect(sometimes == once, "seed \(seed): \(policy.rules)")
            // Whatever is kept has a reason, whatever goes has none.
            let plan = PrunePlan(policy, of: history)
            #expect(plan.decisions.map(\.isKept) == plan.subjects.indices.map(plan.isKept))
        }
    }

    @Test(
        "a grid depends on it, but never keeps more than it says, and pruning again changes nothing"
    )
    func grid() throws {
        let grid = GridRule(try Grid(parsing: "1x1h(keep=all) | 4x1h(keep=2) | 5x1d"))
        let policy = RetentionPolicy(.grid(grid))
        #expect(!policy.isPathIndependent)
        for seed in 1...100 as ClosedRange<UInt64> {
            var random = SeededRandom(seed: seed)
            let all = snapshots(
                at: slots(every: 600, from: "2026-03-01", count: random.number(10...900)))
            let once = Self.survivors(all, policy) { _ in false }
            let often = Self.survivors(all, policy) { _ in true }
            #expect(once.count <= 7 + 8 + 5 && often.count <= 7 + 8 + 5)
            // The youngest interval keeps all, whenever one prunes.
            #expect(Set(all.suffix(6).map(\.id.rawValue)).isSubset(of: Set(often)))
            let left = all.filter { once.contains($0.id.rawValue) }
            #expect(PrunePlan(policy, of: left).removed.isEmpty)
        }
    }

    @Test("a bucket that a span has left stays left, whatever else of it is still there")
    func spanLeavesBucket() throws {
        let rule = WithinBucketRule(.daily, within: try CalendarSpan(parsing: "12h"))
        let policy = RetentionPolicy(
            .withinBuckets(rule), .within(try CalendarSpan(parsing: "2h")))
        for count in [30, 47, 52, 60, 70, 96, 110, 140] {
            let all = snapshots(at: slots(every: 900, from: "2026-03-01", count: count))
            let once = Self.survivors(all, policy) { _ in false }
            #expect(Self.survivors(all, policy) { _ in true } == once, "\(count)")
            // The day's first one is there until the whole day is 12 hours old.
            #expect(once.contains(1))
        }
    }

    @Test("restic's oldest one within a span depends on it, which the policy admits")
    func resticWithin() throws {
        let rule = WithinBucketRule(.daily, within: try CalendarSpan(parsing: "7d"))
        #expect(!RetentionPolicy(.withinBuckets(rule), prefer: .newest).isPathIndependent)
        #expect(RetentionPolicy(.withinBuckets(rule), prefer: .oldest).isPathIndependent)
    }
}
